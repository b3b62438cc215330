"""What is still to do is estimated by what cells like it have cost."""

from pathlib import Path

from suite.cli.running.cost import estimate
from suite.experiments import grid
from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record
from tests.support.board_records import CPU


def record(job: Job, cell: Cell, seconds: float) -> Record:
    return Record(
        cell=cell,
        label=job.label,
        task=job.cell.task,
        ipc=job.ipc,
        status="done",
        device_seconds=seconds,
        provenance=CPU,
    )


def test_a_cell_costs_what_those_of_other_seeds_have(tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("seeds = [0]", "seeds = [0, 1, 2]"))
    jobs = grid.jobs(grid.load(tiny))
    trials = [job for job in jobs if job.label == "rat_bptt"]
    first, second, third = trials
    records = [record(first, first.cell, 3600.0), record(second, second.cell, 7200.0)]
    left = [*third.cells, jobs[0].cell]  # the trial, its evaluation, and a trial of another row
    assert estimate(jobs, left, records) == (
        "about 1.5 device-hours for 1 cell; 2 cells without a comparable record"
    )
    records.append(record(first, first.evaluations[0], 1800.0))
    assert estimate(jobs, third.cells, records) == "about 2.0 device-hours for 2 cells"


def test_other_settings_are_another_cost(tiny: Path) -> None:
    (before,) = (job for job in grid.jobs(grid.load(tiny)) if job.label == "rat_bptt")
    tiny.write_text(tiny.read_text().replace("window = 2", "window = 3"))
    jobs = grid.jobs(grid.load(tiny))
    (after,) = (job for job in jobs if job.label == "rat_bptt")
    found = estimate(jobs, [after.cell], [record(before, before.cell, 3600.0)])
    assert found == "no cost estimate: this store has no comparable finished cells"


def test_nothing_left_costs_nothing(jobs: list[Job]) -> None:
    assert estimate(jobs, [], []) == ""
