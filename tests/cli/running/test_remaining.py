"""What is left is estimated by what was done, and by the pace of what runs."""

import pytest

from suite.cli.running import remaining
from suite.cli.running.remaining import Left, Remaining
from suite.experiments.cells.progress import Progress
from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record, Status
from tests.support.board_records import CPU


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr(remaining, "monotonic", lambda: time[0])
    return time


def cells(jobs: list[Job], seeds: int) -> list[tuple[Job, Cell]]:
    (job,) = (job for job in jobs if job.label == "rat_bptt")
    several = []
    for seed in range(seeds):
        cell = job.cell.model_copy(update={"seed": seed})
        (own,) = job.evaluations
        evaluations = (own.model_copy(update={"trial": cell.id}),)
        several.append(job.model_copy(update={"cell": cell, "evaluations": evaluations}))
    return [(each, cell) for each in several for cell in each.cells]


def finish(job: Job, cell: Cell, seconds: float, status: Status = "done") -> Progress:
    record = Record(
        cell=cell, label=job.label, task="digits", ipc=1, status=status, seconds=seconds, provenance=CPU
    )
    return Progress(job.id, "done", finished={cell.id: record})


def test_cells_take_as_long_as_those_like_them(jobs: list[Job]) -> None:
    every = cells(jobs, seeds=3)
    left = Remaining(every)
    assert left.left({}) == Left(0.0, whole=False)
    left.observe(finish(*every[0], 60.0))
    assert left.left({}) == Left(120.0, whole=False), "nothing was evaluated yet"
    left.observe(finish(*every[1], 10.0))
    assert left.left({}) == Left(140.0, whole=True)
    two = {job.id: Progress(job.id, "distilling") for job, _ in every[2::2]}
    assert left.left(two) == Left(70.0, whole=True), "two at a time"


def test_a_running_cell_takes_as_long_as_its_pace_tells(jobs: list[Job], now: list[float]) -> None:
    every = cells(jobs, seeds=1)
    left, job = Remaining(every), every[0][0]
    for at, step in ((0.0, 10), (20.0, 20)):
        now[0] = at
        left.observe(running := Progress(job.id, "distilling", step, 100))
    assert left.left({job.id: running}) == Left(160.0, whole=False)


def test_what_cannot_be_done_any_more_is_not_left(jobs: list[Job]) -> None:
    every = cells(jobs, seeds=1)
    left = Remaining(every)
    left.observe(finish(*every[0], 60.0, "failed"))
    assert left.left({}) == Left(0.0, whole=True)
