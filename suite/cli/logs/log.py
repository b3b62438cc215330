"""A log of a run, written by a thread of its own: whatever happens to it, the run goes on."""

import threading
import warnings
from collections.abc import Iterable
from queue import SimpleQueue
from statistics import mean
from types import TracebackType
from typing import Any, Self

from suite.cli.logs.writers import Run, Writer
from suite.experiments.cells.progress import Progress
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Job, titles
from suite.records.record import Record

CLOSING_SECONDS = 15.0
"""Seconds that the end of a run waits for its log."""

_OPEN = "not finished"


class Log:
    """Passes on what a run reports: metrics of outer steps, accuracies of evaluations, device-seconds.

    A log that fails is given up with one warning.
    """

    def __init__(self, writer: Writer, group: str, jobs: Iterable[Job]) -> None:
        known = list(jobs)
        names = titles((job.label, job.cell) for job in known)
        self._runs = {job.id: Run(job.id, group, names[job.id], _config(job)) for job in known}
        self._writer, self._events = writer, SimpleQueue[Progress | str | None]()
        self._status, self._steps = dict[str, str](), dict[str, int]()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.put(None)
        self._thread.join(CLOSING_SECONDS)
        if self._thread.is_alive():
            warnings.warn(
                f"the log was not complete after {CLOSING_SECONDS:g} s; the rest is dropped", stacklevel=2
            )

    def observe(self, progress: Progress) -> None:
        """Log a report of progress; returns at once."""
        self._events.put(progress)

    def end(self, job: str) -> None:
        """Note the end of a job; returns at once."""
        self._events.put(job)

    def _work(self) -> None:
        try:
            while (event := self._events.get()) is not None:
                if isinstance(event, str):
                    self._end(event)
                else:
                    self._progress(event)
            for job in list(self._status):
                self._end(job)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(f"the log ends here, but the run continues: {reason}", stacklevel=1)

    def _progress(self, progress: Progress) -> None:
        run = self._runs[progress.job]
        if run.id not in self._status:
            self._status[run.id] = _OPEN
            self._writer.begin(run)
        step = int(progress.latest.get("step", 0))
        if step > self._steps.get(run.id, 0):
            self._steps[run.id] = step
            self._writer.write(
                run, {key: value for key, value in progress.latest.items() if key != "step"}, step
            )
        for record in progress.finished.values():
            self._finished(run, record)

    def _finished(self, run: Run, record: Record) -> None:
        cell, step = record.cell, self._steps.get(run.id, 0)
        failed = self._status[run.id] not in (_OPEN, "done")
        if not failed:
            self._status[run.id] = " ".join(f"{record.status} {record.error}".split())
        values = {name: mean(each) for name, each in record.scores.items()}
        if isinstance(cell, Evaluation):
            step = step if cell.step is None else cell.step
            of = cell.model_copy(update={"step": None}).title
            values = {f"{name}/{of}": value for name, value in values.items()}
        else:
            values = {"device_seconds": record.device_seconds, **values}
        self._writer.write(run, values, step)

    def _end(self, job: str) -> None:
        if status := self._status.pop(job, ""):
            self._writer.end(self._runs[job], status)


def _config(job: Job) -> dict[str, Any]:
    """Return the settings of a job."""
    cell = job.cell
    own = cell.hyperparameters if isinstance(cell, Trial) else {}
    facts = cell.model_dump(mode="json", exclude={"hyperparameters", "kind"})
    return {"label": job.label, **facts, "recipe": job.recipe, "data": job.data, **own}
