"""Evaluations: score the set of a trial, or a part of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.subsets import cut
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Evaluator, Task, TestSplit
from suite.core.training.cached import teacher_bytes
from suite.core.training.recipes import RECIPES, Recipe, recipe
from suite.experiments.cells.context import Context
from suite.experiments.cells.progress import Progress, Work
from suite.experiments.expand import RECIPE_SETTINGS
from suite.plugins import registry
from suite.records.cells import RANDOM, RELABELLED, Evaluation, Trial, canonical_json
from suite.records.record import Late, Record, is_of
from suite.records.store import Store

BASELINES = (RANDOM, RELABELLED)
"""Methods whose sets are evaluated under every recipe, to be compared with."""


def build_evaluator(cell: Evaluation) -> Evaluator:
    """Return the cell's evaluator; raises ValueError if it refuses the settings."""
    cls, where = registry.evaluator(cell.base or cell.evaluator), f"evaluator {cell.evaluator}"
    made: Evaluator = registry.stored(cls, cell.settings, where=where)
    return made


def recipes_of(cell: Evaluation) -> Iterator[Recipe]:
    """Yield the recipes that its settings name; a word for several, such as `chosen`, is none."""
    names = {cell.settings.get(key) for key in RECIPE_SETTINGS}
    yield from (recipe(name) for name in sorted(filter(None, names)) if name.partition(":")[0] in RECIPES)


def evaluate(cell: Evaluation, context: Context) -> Work:
    """Score the artefact of the job's trial; raises ValueError for a set of other data than the task's."""
    job, store = context.job, context.store
    times = _times(store.path, job.cell.task, job.size(cell), job.label)
    yield Progress(job.id, f"evaluating: {cell.title}", needs=times.expected(cell, store))
    device = context.resources.device
    task, evaluator = context.task().to(device), build_evaluator(cell)
    data = tasks.fingerprint(task)
    made = store.record_of(job, job.cell)
    try:
        step = made.step_of(cell) if made else cell.step
    except Late as reason:
        return context.record(cell, "late", error=str(reason), data=data)
    path = store.artefact(job.id, step, data)
    synthetic, manifest = load_artefact(path)
    if not cell.of_snapshot and made and made.artefact not in ("", manifest["sha256"]):
        raise ValueError(f"{path} is not the set that the trial's record names; run the same command again")
    if known := _known(cell, manifest["sha256"], context):
        return known
    tasks.check_data(synthetic, task)
    scored = cut(synthetic, cell.part, seed=job.cell.seed).to(device)
    if isinstance(trial := job.cell, Trial) and trial.method in BASELINES:
        scored = _at_the_recipes_rate(scored, cell)
    started, before = perf_counter(), TestSplit.total_reads
    scores = evaluator.evaluate(scored, task, seed=cell.seed)
    if undeclared := [name for name in scores.values if not any(s.matches(name) for s in evaluator.scores)]:
        raise ValueError(f"it returned {undeclared[0]!r}, which its `scores` do not declare; add a Score")
    times.note(cell, seconds := perf_counter() - started)
    return context.record(
        cell,
        "done",
        scores=dict(scores.values),
        title=evaluator.title,
        described=evaluator.scores,
        seconds=seconds,
        test_reads=max(task.split.reads, TestSplit.total_reads - before),  # the latter with those on the side
        data=data,
        artefact=manifest["sha256"],
        teacher_bytes=_teacher_bytes(cell, evaluator, scored, task),
    )


def _teacher_bytes(cell: Evaluation, evaluator: Evaluator, synthetic: SyntheticSet, task: Task) -> int:
    """Return the bytes of the largest teachers that label batches of its trainings; 0 without one."""
    others = getattr(evaluator, "networks", ())  # a number for some
    names = [getattr(evaluator, "network", ""), *(others if isinstance(others, Sequence) else ())]
    found = [
        teacher_bytes(how, name, task.train, synthetic.teachers)
        for how in recipes_of(cell)
        for name in filter(None, names)
    ]
    return max(found, default=0)


def _known(cell: Evaluation, made: str, context: Context) -> Record[Evaluation] | None:
    """Return the record of a cell if its set was scored in the same way for another budget."""
    for other in context.job.evaluations:
        record = context.store.record_of(context.job, other)
        if record is None or not is_of(record, Evaluation) or other == cell:
            continue
        if record.artefact == made and _how(other) == _how(cell):
            return record.model_copy(update={"cell": cell})
    return None


def _how(cell: Evaluation) -> Evaluation:
    return cell.model_copy(update={"step": None, "device_seconds": None})


def _at_the_recipes_rate(synthetic: SyntheticSet, cell: Evaluation) -> SyntheticSet:
    """Return a baseline at the rate that a recipe states, which otherwise takes that of the set."""
    rates = {each.lr for each in recipes_of(cell) if each.learned_lr}
    return replace(synthetic, lr=rates.pop()) if len(rates) == 1 else synthetic


@dataclass
class _Times:
    """The longest time of evaluations on the sets of a row.

    The row is read when one is asked for that is not known, the first, the second, the fourth, the eighth
    time: reading it for each cell would take the square of its cells.
    """

    row: tuple[str, int, str]
    longest: dict[str, float] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def expected(self, cell: Evaluation, store: Store) -> float:
        """Return the longest time of an evaluation that differs at most in the set; 0 if there was none."""
        work = _work(cell)
        if work not in self.longest:
            self.asked[work] += 1
            if self.asked[work].bit_count() == 1:
                for other in store.row(*self.row):
                    if isinstance(other.cell, Evaluation):
                        self.note(other.cell, other.seconds)
        return self.longest.get(work, 0.0)

    def note(self, cell: Evaluation, seconds: float) -> None:
        """Note how long an evaluation took."""
        self.longest[_work(cell)] = max(seconds, self.longest.get(_work(cell), 0.0))


@lru_cache(maxsize=1024)
def _times(store: Path, task: str, ipc: int, label: str) -> _Times:
    return _Times((task, ipc, label))


def _work(cell: Evaluation) -> str:
    return canonical_json([cell.evaluator, cell.settings])
