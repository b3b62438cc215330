"""What a log is told, and that whatever happens to it stops no run."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from suite.cli.logs import log
from suite.cli.logs.log import Log
from suite.cli.logs.writers import Run
from suite.experiments.cells.progress import Progress
from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record, Status
from tests.support.board_records import CPU
from tests.support.job_runs import one


class Notebook:
    """A writer that remembers, and fails where it is told to."""

    where = "nowhere"

    def __init__(self, folder: Path = Path(), group: str = "", *, fails: str = "") -> None:
        self.runs, self.ends, self.fails = dict[str, Run](), dict[str, str](), fails
        self.values = list[tuple[Mapping[str, float], int]]()
        self.calls = 0

    def begin(self, run: Run) -> None:
        self._fail("begin")
        self.runs[run.id] = run

    def write(self, run: Run, values: Mapping[str, float], step: int) -> None:
        self._fail("write")
        self.values.append((values, step))

    def end(self, run: Run, status: str) -> None:
        self._fail("end")
        self.ends[run.id] = status

    def _fail(self, where: str) -> None:
        self.calls += 1
        if where == self.fails:
            raise ConnectionError(f"no {where}")


def finished(job: Job, cell: Cell, status: Status = "done", **measured: object) -> Progress:
    fields = {
        "cell": cell,
        "label": job.label,
        "task": "digits",
        "ipc": 1,
        "status": status,
        "provenance": CPU,
    }
    return Progress(job.id, status, finished={cell.id: Record.model_validate({**fields, **measured})})


def steps(job: Job, step: int) -> Progress:
    metrics = {"step": float(step), "seconds": 0.5 * step, "outer_loss": 2.0 / step}
    return Progress(job.id, "distilling", step, 4, latest=metrics)


def test_losses_accuracies_and_device_seconds(jobs: list[Job]) -> None:
    notes, job = Notebook(), one(jobs, "rat_bptt")
    (scored,) = job.evaluations
    snapshot = scored.model_copy(update={"step": 2})
    with Log(notes, "tiny", jobs) as watched:
        for progress in (
            steps(job, 1),
            steps(job, 1),  # no metrics were read since
            steps(job, 4),
            finished(job, job.cell, device_seconds=7.0),
            finished(job, snapshot, scores={"accuracy": (0.5, 0.7)}),
            finished(job, scored, scores={"accuracy": (0.9, 1.0)}),
        ):
            watched.observe(progress)
        watched.end(job.id)
    assert notes.values == [
        ({"seconds": 0.5, "outer_loss": 2.0}, 1),
        ({"seconds": 2.0, "outer_loss": 0.5}, 4),
        ({"device_seconds": 7.0}, 4),
        ({"accuracy/retrain rat-bptt-1000": pytest.approx(0.6)}, 2),
        ({"accuracy/retrain rat-bptt-1000": pytest.approx(0.95)}, 4),
    ]
    (run,) = notes.runs.values()
    assert (run.group, run.title, notes.ends) == ("tiny", "rat_bptt", {job.id: "done"})
    assert run.config["window"] == 2 and run.config["task"] == "digits" and run.config["seed"] == 0


def test_what_is_not_finished_is_said_at_the_end(jobs: list[Job]) -> None:
    notes, (first, second) = Notebook(), jobs[:2]
    with Log(notes, "tiny", jobs) as watched:
        watched.observe(finished(first, first.cell, "failed", error="RuntimeError:\nbroken"))
        watched.observe(steps(second, 1))
    assert notes.ends == {first.id: "failed RuntimeError: broken", second.id: "not finished"}


@pytest.mark.parametrize("where", ["begin", "write", "end"])
def test_a_log_that_fails_is_given_up_with_one_warning(jobs: list[Job], where: str) -> None:
    notes, job = Notebook(fails=where), one(jobs, "rat_bptt")
    with pytest.warns(UserWarning) as warned, Log(notes, "tiny", jobs) as watched:
        for step in (1, 2, 3, 4):
            watched.observe(steps(job, step))
        watched.end(job.id)
    (warning,) = warned
    assert str(warning.message) == f"the log ends here, but the run continues: ConnectionError: no {where}"
    before = notes.calls
    watched.observe(steps(job, 5))
    assert notes.calls == before


def test_a_log_that_hangs_is_left(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "CLOSING_SECONDS", 0.1)
    waiting = threading.Event()
    notes = Notebook()
    monkeypatch.setattr(notes, "begin", lambda run: waiting.wait())
    with pytest.warns(UserWarning, match=r"not complete after 0.1 s"), Log(notes, "tiny", jobs) as watched:
        watched.observe(steps(jobs[1], 1))
    waiting.set()
