"""How long a run still takes, by what it has done."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean as mean
from time import monotonic

from suite.cli.running.cost import kind_of
from suite.experiments.cells.progress import Progress
from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record


@dataclass(frozen=True)
class Left:
    """An estimate of seconds. whole: whether it counts every cell, or only those like one that was seen."""

    seconds: float
    whole: bool


@dataclass(frozen=True)
class _Waiting:
    job: str
    kinds: tuple[Hashable, Hashable]  # what costs the same; else any cell of its sort


class Remaining:
    """The cells that are left, and the seconds that those like them took in this run."""

    def __init__(self, cells: Iterable[tuple[Job, Cell]]) -> None:
        self._left = {cell.id: _Waiting(job.id, (kind_of(job, cell), cell.kind)) for job, cell in cells}
        self._took = defaultdict[Hashable, list[float]](list)
        self._begun = dict[str, tuple[float, int]]()  # by job: when its steps were first seen, and which

    def of(self, job: Job) -> list[Cell]:
        """Return the cells of a job that are left."""
        return [cell for cell in job.cells if cell.id in self._left]

    def observe(self, progress: Progress) -> None:
        """Note steps and finished cells."""
        if progress.steps:
            self._begun.setdefault(progress.job, (monotonic(), progress.step))
        for cell, record in progress.finished.items():
            self._finish(cell, record)

    def left(self, running: Mapping[str, Progress]) -> Left:
        """Estimate the seconds left, with as many cells at a time as run now. running: by job."""
        took = defaultdict(list, {kind: list(seconds) for kind, seconds in self._took.items()})
        rest = dict[str, float]()
        for job, progress in running.items():
            if job in self._left and (paced := self._paced(progress)):
                rest[job], total = paced
                for kind in self._left[job].kinds:
                    took[kind].append(total)
        means = {kind: mean(seconds) for kind, seconds in took.items()}
        for cell, waiting in self._left.items():
            kind = next((kind for kind in waiting.kinds if kind in means), None)
            if kind is not None:
                rest.setdefault(cell, means[kind])
        longest = max((rest[job] for job in running if job in rest), default=0.0)
        seconds = max(longest, sum(rest.values()) / max(1, len(running)))
        return Left(seconds, whole=len(rest) == len(self._left))

    def _finish(self, cell: str, record: Record) -> None:
        if waiting := self._left.pop(cell, None):
            for kind in waiting.kinds:
                self._took[kind].append(record.seconds)
        if record.status != "done" and waiting and waiting.job == cell:
            # A trial without a set is not evaluated.
            self._left = {other: each for other, each in self._left.items() if each.job != cell}

    def _paced(self, progress: Progress) -> tuple[float, float] | None:
        """Return the seconds left to a running cell, and all its seconds, by the pace of its outer steps."""
        since, first = self._begun.get(progress.job, (0.0, 0))
        if not progress.steps or progress.step <= first or progress.job not in self._begun:
            return None
        pace = (monotonic() - since) / (progress.step - first)
        return pace * (progress.steps - progress.step), pace * progress.steps
