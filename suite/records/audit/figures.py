"""The figures of one record: what its validation accepts, and is still impossible or doubtful."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import isclose
from pathlib import Path

from suite.core.seeding import derive
from suite.records.audit.findings import Severity
from suite.records.audit.known import TaskFacts
from suite.records.cells import EXTERNAL, RETRAIN, SUBMITTED, Evaluation, Reference, Study, Trial
from suite.records.record import Record, is_of
from suite.records.test_audit import overread

Wrong = tuple[Severity, str, str]
"""A finding's severity, kind and words."""

_SLACK, _SECONDS = 1.01, 1.0  # the factor and the seconds by which parts may take longer than the whole


def wrong(record: Record, task: TaskFacts | None) -> Iterator[Wrong]:
    """Yield what is wrong with a record's figures; task: what is known of its task."""
    yield from _row(record)
    yield from _names(record)
    if reason := overread(record):
        yield "error", "reads", reason.partition("left out: ")[2]
    yield from _times(record)
    yield from _curve(record)
    if record.status != "done":
        return
    if record.error:
        yield "doubt", "status", "it is done, but has an error"
    if isinstance(record.cell, Evaluation | Reference):
        if record.scores and not record.test_reads:
            yield "error", "reads", "it has scores, but did not read the test split"
        if not record.seconds:
            yield "error", "time", "it has scores, but took no time"
        yield from _copies(record)
        yield from _counts(record, task)
    if is_of(record, Trial):
        yield from _distilled(record)


def _row(record: Record) -> Iterator[Wrong]:
    """Yield where a record's row is not that of its cell."""
    cell = record.cell
    if isinstance(cell, Trial | Study) and record.ipc != cell.ipc:
        yield "error", "row", f"it has {record.ipc} images per class, its cell {cell.ipc}"
    if isinstance(cell, Reference) and record.ipc:
        yield "error", "row", f"it has {record.ipc} images per class, but is of full data"
    if not isinstance(cell, Evaluation) and record.task != cell.task:
        yield "error", "row", f"its task is {record.task!r}, that of its cell {cell.task!r}"
    if isinstance(cell, Evaluation) and cell.part and cell.part.ipc != record.ipc:
        yield "error", "row", f"it has {record.ipc} images per class, but scores {cell.part.ipc}"


def _names(record: Record) -> Iterator[Wrong]:
    """Yield where the name of a row or an evaluator hides what made the numbers."""
    cell = record.cell
    if isinstance(cell, Trial):
        known = cell.method in built_in("methods") or cell.method.startswith((EXTERNAL, SUBMITTED))
        if not known and not cell.source:
            yield "doubt", "source", f"RaT-Bench has no method {cell.method!r}, and its source is missing"
        if record.label in built_in("methods") and cell.method != record.label:
            yield "doubt", "row", f"its row is called {record.label!r}, but {cell.method!r} made the set"
    if isinstance(cell, Evaluation):
        scorer = cell.base or cell.evaluator
        if scorer not in built_in("evaluators") and not cell.source:
            yield "doubt", "source", f"RaT-Bench has no evaluator {scorer!r}, and its source is missing"
        if cell.evaluator in built_in("evaluators") and scorer != cell.evaluator:
            yield "error", "row", f"it is called {cell.evaluator!r}, but {scorer!r} scored the set"


@cache
def built_in(kind: str) -> frozenset[str]:
    """Return the names of RaT-Bench's own methods or evaluators, without importing them."""
    folder = Path(__file__).parents[2] / "plugins" / kind
    return frozenset(path.stem for path in folder.glob("*.py"))


def _times(record: Record) -> Iterator[Wrong]:
    made = record.provenance
    on_cpu = made.device.startswith("CPU") and not made.devices
    if on_cpu and record.device_seconds * _SLACK + _SECONDS < record.seconds:
        told = f"{record.seconds:.0f} s of work on a CPU are only {record.device_seconds:.0f} device-seconds"
        yield "error", "time", f"{told}, but must be at least as many"
    if record.seconds > _SECONDS and record.device_seconds == 0:
        yield "error", "time", f"it took {record.seconds:.0f} s, but no device-seconds"
    parts = sum(record.scores.get("seconds", ()))
    if parts > record.seconds * _SLACK + _SECONDS:
        yield "error", "time", f"its trainings took {parts:.0f} s, and all its work {record.seconds:.0f} s"
    own = isinstance(record.cell, Trial) and record.cell.method.startswith((EXTERNAL, SUBMITTED))
    if record.status == "done" and not own and record.peak_memory_bytes == 0:
        yield "doubt", "memory", "its peak memory is 0, so it was not measured"
    if 0 < record.peak_memory_bytes < record.stored_bytes:
        yield "error", "memory", "its peak memory is less than the size of its set"


def _curve(record: Record) -> Iterator[Wrong]:
    curve = record.curve
    lengths = {len(values) for values in curve.values()}
    if len(lengths) > 1:
        yield "error", "curve", f"the metrics of its curve have {sorted(lengths)} values"
    steps, seconds = curve.get("step", ()), curve.get("seconds", ())
    if any(after <= before for before, after in pairwise(steps)):
        yield "error", "curve", "the outer steps of its curve do not rise"
    if any(after < before for before, after in pairwise(seconds)):
        yield "error", "curve", "the seconds of its curve fall"
    if seconds and seconds[-1] > record.seconds * _SLACK + _SECONDS:
        told = f"its curve ends after {seconds[-1]:.0f} s, but all its work took {record.seconds:.0f} s"
        yield "error", "curve", told
    planned = record.cell.hyperparameters.get("steps") if isinstance(record.cell, Trial) else None
    if steps and isinstance(planned, int) and steps[-1] > planned:
        yield "error", "curve", f"its curve ends at outer step {steps[-1]:g} of {planned}"


def _copies(record: Record) -> Iterator[Wrong]:
    """Yield where the number of accuracies is not that of the networks."""
    cell, values = record.cell, record.scores.get("accuracy", ())
    if not record.scores or not all(record.scores.values()):
        yield "error", "copies", "it is done, but one of its scores has no value"
    copies = cell.copies if isinstance(cell, Reference) else getattr(cell, "settings", {}).get("copies")
    if values and isinstance(copies, int) and len(values) != copies:
        yield "error", "copies", f"it has {len(values)} accuracies for {copies} networks"
    if record.described:
        for name in record.scores:
            if not any(score.matches(name) for score in record.described):
                yield "doubt", "copies", f"its score {name!r} is not described"


def _counts(record: Record, task: TaskFacts | None) -> Iterator[Wrong]:
    """Yield the first accuracy that is no whole number of test images."""
    cell = record.cell
    if task is None or not task.test:
        return
    if isinstance(cell, Evaluation) and (cell.base or cell.evaluator) != RETRAIN:
        return
    for value in record.scores.get("accuracy", ()):
        if not isclose(right := value * task.test, round(right), abs_tol=1e-6 * task.test):
            yield "error", "accuracy", f"accuracy {value:g} is not a whole number of {task.test} test images"
            return


def _distilled(record: Record[Trial]) -> Iterator[Wrong]:
    if not record.artefact:
        yield "error", "set", "it is done, but names no set"
    if not record.label_kind:
        yield "doubt", "set", "it does not say whether its labels are hard or soft"


def wrong_seed(cell: Evaluation, trial: Trial) -> bool:
    """Return whether an evaluation's seed is not the one that a run gives; those of submissions are drawn."""
    return not trial.method.startswith(SUBMITTED) and cell.seed != derive(trial.seed, "evaluation") >> 16
