"""The progress of a run: a live line in a terminal, plain lines elsewhere."""

from collections import Counter
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from suite.experiments.cells.context import Progress
from suite.records.jobs import Job

PLAIN_SECONDS = 30.0  # seconds between plain lines about running cells


class Display:
    """Cells done, running and failed, outer steps per second, and the time left."""

    def __init__(self, console: Console, jobs: Sequence[Job], total: int) -> None:
        self.console, self.total = console, total
        self.jobs = {job.id: job for job in jobs}
        self.statuses: Counter[str] = Counter()
        self.running: dict[str, Progress] = {}
        self.steps, self.started, self.said = 0, monotonic(), monotonic()
        self.moved = False  # whether a cell took an outer step or finished
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=600,
        )
        self.row = self.bar.add_task("starting", total=total)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def observe(self, progress: Progress) -> None:
        """Update from a report of progress."""
        before = self.running.get(progress.job)
        if progress.steps and before and before.steps == progress.steps:
            self.steps += max(0, progress.step - before.step)
        self.running[progress.job] = progress
        self.moved = self.moved or progress.step > 0 or bool(progress.finished)
        for cell, status in progress.finished.items():
            self.statuses[status] += 1
            self._say_finished(self.jobs[progress.job], cell, status)
        self.bar.update(self.row, completed=self._completed(), description=self._summary())
        if not self.console.is_terminal and monotonic() - self.said > PLAIN_SECONDS:
            self._print(self._summary())

    def end(self, job: str) -> None:
        """Note the end of a job."""
        self.running.pop(job, None)

    def _say_finished(self, job: Job, cell_id: str, status: str) -> None:
        cell = next(cell for cell in job.cells if cell.id == cell_id)
        what = cell.title
        place = f"{job.cell.task} ipc {job.ipc}" if job.ipc else job.cell.task
        count = f"[{self.statuses.total()}/{self.total}]"
        self._print(f"{count} {place} {job.label} seed {job.cell.seed}: {what} {status}")

    def _print(self, line: str) -> None:
        self.said = monotonic()
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _completed(self) -> float:
        partial = sum(p.step / p.steps for p in self.running.values() if p.steps and not p.finished)
        return self.statuses.total() + partial

    def _summary(self) -> str:
        done = self.statuses["done"]
        failed = self.statuses.total() - done
        running = sum(1 for progress in self.running.values() if not progress.finished)
        rate = self.steps / max(1e-9, monotonic() - self.started)
        return f"{done} done · {running} running · {failed} failed · {rate:.1f} outer steps/s"
