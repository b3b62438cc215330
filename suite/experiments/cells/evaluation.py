"""Evaluations: score the set of a trial, or a part of it."""

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.subsets import cut
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Evaluator, TestSplit
from suite.core.training.recipes import RECIPES, Recipe, recipe
from suite.experiments.cells.context import Context
from suite.experiments.cells.progress import Progress, Work
from suite.experiments.expand import RECIPE_SETTINGS
from suite.plugins import registry
from suite.records.cells import RANDOM, RELABELLED, Cell, Evaluation, Trial

BASELINES = (RANDOM, RELABELLED)
"""Methods whose sets are evaluated under every recipe, to be compared with."""


def build_evaluator(cell: Evaluation) -> Evaluator:
    """Return the cell's evaluator; raises ValueError if it refuses the settings."""
    cls, where = registry.evaluator(cell.base or cell.evaluator), f"evaluator {cell.evaluator}"
    made: Evaluator = registry.configure(cls, cell.settings, where=where)
    return made


def recipes_of(cell: Evaluation) -> Iterator[Recipe]:
    """Yield the recipes that its settings name; a word for several, such as `chosen`, is none."""
    names = {cell.settings.get(key) for key in RECIPE_SETTINGS}
    yield from (recipe(name) for name in sorted(filter(None, names)) if name.partition(":")[0] in RECIPES)


def evaluate(cell: Evaluation, context: Context) -> Work:
    """Score the artefact of the job's trial; raises ValueError for a set of other data than the task's."""
    yield Progress(context.job.id, f"evaluating: {cell.title}", needs=_expected_seconds(cell, context))
    device = context.resources.device
    task, evaluator = context.task().to(device), build_evaluator(cell)
    data = tasks.fingerprint(task)
    path = context.store.artefact(context.job.id, cell.step, data)
    synthetic, manifest = load_artefact(path)
    made = context.store.record(context.job.id, data)
    if cell.step is None and made and made.artefact not in ("", manifest["sha256"]):
        raise ValueError(f"{path} is not the set that the trial's record names; run the same command again")
    tasks.check_data(synthetic, task)
    scored = cut(synthetic, cell.part, seed=context.job.cell.seed).to(device)
    if isinstance(trial := context.job.cell, Trial) and trial.method in BASELINES:
        scored = _at_the_recipes_rate(scored, cell)
    started, before = perf_counter(), TestSplit.total_reads
    scores = evaluator.evaluate(scored, task, seed=cell.seed)
    if undeclared := [name for name in scores.values if not any(s.matches(name) for s in evaluator.scores)]:
        raise ValueError(f"it returned {undeclared[0]!r}, which its `scores` do not declare; add a Score")
    return context.record(
        cell,
        "done",
        scores=dict(scores.values),
        title=evaluator.title,
        described=evaluator.scores,
        seconds=perf_counter() - started,
        test_reads=max(task.split.reads, TestSplit.total_reads - before),  # the latter with those on the side
        data=data,
        artefact=manifest["sha256"],
    )


def _at_the_recipes_rate(synthetic: SyntheticSet, cell: Evaluation) -> SyntheticSet:
    """Return a baseline at the rate that a recipe states, which otherwise takes that of the set."""
    rates = {each.lr for each in recipes_of(cell) if each.learned_lr}
    return replace(synthetic, lr=rates.pop()) if len(rates) == 1 else synthetic


def _expected_seconds(cell: Evaluation, context: Context) -> float:
    """Return the longest time of this evaluation on other sets of its row; 0 if there was none."""
    job = context.job
    others = context.store.row(job.cell.task, job.size(cell), job.label)
    return max((other.seconds for other in others if _same_work(other.cell, cell)), default=0.0)


def _same_work(other: Cell, cell: Evaluation) -> bool:
    """Return whether two cells differ at most in the set that is evaluated, and the seed."""
    return isinstance(other, Evaluation) and (other.evaluator, other.settings) == (
        cell.evaluator,
        cell.settings,
    )
