"""The progress of a run: what runs now in a terminal, a line for each finished cell everywhere."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import gethostname
from statistics import mean
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from suite.board.render.words import duration
from suite.cli.console import brief, errors, say, visible
from suite.cli.logs.log import Log
from suite.cli.running.remaining import Remaining
from suite.experiments.cells.progress import Progress
from suite.experiments.job_runner import due
from suite.records.cells import Cell
from suite.records.jobs import Job, titles
from suite.records.record import Record, loss
from suite.records.store import Store

PLAIN_SECONDS = 30.0  # seconds between plain lines about running cells
FREE_LINES = 4  # of the terminal, besides the running cells: two above them, and some for what is said


class Display:
    """Shows a run: its cells done, running and failed, where each running one is, and the time left.

    name: of the grid, whose jobs are `jobs`; cells: what the run will do. moved: whether a cell took an outer
    step or finished.
    """

    def __init__(
        self,
        console: Console,
        name: str,
        jobs: Sequence[Job],
        cells: Sequence[tuple[Job, Cell]],
        store: Store,
        log: Log | None = None,
    ) -> None:
        self.console, self.name, self.store, self.total = console, name, store, len(cells)
        self.log = log
        self.jobs = {job.id: job for job in jobs}
        self.titles = titles((job.label, job.cell) for job in jobs)
        self.remaining = Remaining(cells)
        self.statuses: Counter[str] = Counter()
        self.running: dict[str, Progress] = {}
        self.started = self.said = monotonic()
        self.moved, self.last = False, ""
        self.is_live = console.is_terminal and not console.is_dumb_terminal
        self.live = Live(
            console=console, get_renderable=self._view, refresh_per_second=2, transient=True, screen=False
        )

    def __enter__(self) -> Self:
        if self.is_live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_live:
            self.live.stop()

    def observe(self, progress: Progress) -> None:
        """Update from a report of progress, which the log gets, too."""
        if self.log:
            self.log.observe(progress)
        self.running[progress.job] = progress
        self.moved = self.moved or progress.step > 0 or bool(progress.finished)
        self.remaining.observe(progress)
        for record in progress.finished.values():
            self.statuses[record.status] += 1
            for line in self._finished(self.jobs[progress.job], record):
                self._print(line)
        if not self.is_live and monotonic() - self.said > PLAIN_SECONDS:
            self._print(self._counts() + f", {self._left()}")

    def say(self, line: str) -> None:
        """Print a line of a process of jobs, such as a warning, or what a method prints."""
        say(line, to=errors)

    def end(self, job: str) -> None:
        """Note the end of a job, and cells that it recorded and nobody told: its worker died before that."""
        given = self.jobs[job]
        if waiting := self.remaining.of(given):
            left = due(given, self.store)
            records = {cell.id: self.store.record_of(given, cell) for cell in waiting if cell not in left}
            if finished := {cell: record for cell, record in records.items() if record}:
                self.observe(Progress(job, "done", finished=finished))
        if self.log:
            self.log.end(job)
        self.running.pop(job, None)

    def _finished(self, job: Job, record: Record) -> Iterator[str]:
        """Yield what is said of a finished cell; of a failed one also where its traceback is."""
        count = f"[{self.statuses.total()}/{self.total}] {self.titles[job.id]}: "
        if record.status == "done":
            yield f"{count}{record.cell.title} done,{_measured(record)} {duration(record.seconds)}"
            return
        yield f"{count}{record.cell.title} {record.status}: {brief(record.error)}"
        if (trace := self.store.traceback(record)).is_file():
            yield f"  traceback: {_shown(trace)}"

    def _print(self, line: str) -> None:
        """Print a line once; in a terminal as much of it as fits, except a path."""
        self.said = monotonic()
        if line == self.last:
            return
        self.last = line
        if self.is_live and not line.startswith("  traceback"):
            self.console.print(visible(line), no_wrap=True, overflow="ellipsis")
        else:
            say(line, to=self.console)

    def _view(self) -> Group:
        """Return what is shown live: two lines on the run, then the running cells."""
        running = [each for each in list(self.running.values()) if not each.finished]
        shown = running[: max(1, self.console.height - FREE_LINES)]
        more = len(running) - len(shown)
        lines = [
            ": ".join(filter(None, (self.name, self._counts()))),
            f"elapsed {clock(monotonic() - self.started)} · {self._left()}",
            *map(self._running, shown),
            *([f"  … and {more} more"] if more else []),
        ]
        return Group(*map(self._fitted, lines))

    def _running(self, progress: Progress) -> str:
        """Return the line of a running cell; of a long title only the beginning is shown."""
        facts = [f"{progress.step}/{progress.steps}" if progress.steps else progress.doing]
        if (value := loss(progress.latest)) is not None and progress.steps:
            facts.append(f"loss {value:.4g}")
        here = f"{gethostname()} gpu"
        if progress.where not in ("", gethostname()):
            facts.append(progress.where.replace(here, "gpu"))
        told, title = "  ".join(facts), visible(self.titles[progress.job])
        room = max(12, self.console.width - len(told) - 4)
        return f"  {title if len(title) <= room else f'{title[: room - 1]}…'}  {told}"

    def _counts(self) -> str:
        done = self.statuses["done"]
        failed = self.statuses.total() - done
        running = sum(not progress.finished for progress in list(self.running.values()))
        return f"{done} of {self.total} cells done, {running} running, {failed} failed"

    def _left(self) -> str:
        running = {job: each for job, each in list(self.running.items()) if not each.finished}
        left = self.remaining.left(running)
        if left.seconds < 1 and not left.whole:
            return "left unknown"
        return f"left {'about' if left.whole else 'over'} {clock(left.seconds)}"

    def _fitted(self, line: str) -> Text:
        return Text(visible(line), no_wrap=True, overflow="ellipsis")


def clock(seconds: float) -> str:
    """Return seconds as `0:42` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _measured(record: Record) -> str:
    """Return the accuracy in %, or else the first score that is shown; "" without scores."""
    if values := record.scores.get("accuracy"):
        return f" {100 * mean(values):.1f}%,"
    for score in record.described:
        for name, values in record.scores.items():
            if score.shown and score.matches(name) and values:
                return f" {score.heading(name)} {mean(values):.4g},"
    return ""


def _shown(path: Path) -> str:
    """Return a path from here, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
