"""What is still to do is estimated by what cells like it have cost."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from suite.board.atlas.costs import StepCost
from suite.cli.running.cost import Costs, hours, told
from suite.experiments import grid
from suite.records.cells import Cell
from suite.records.jobs import Job
from tests.support.costs import record


def estimate(costs: Costs, job: Job, cells: Sequence[Cell]) -> list[str]:
    return list(told([costs.of(job, cell) for cell in cells]))


@pytest.fixture
def trials(tiny: Path) -> list[Job]:
    """The same trial with three seeds."""
    tiny.write_text(tiny.read_text().replace("seeds = [0]", "seeds = [0, 1, 2]"))
    return [job for job in grid.jobs(grid.load(tiny)) if job.label == "rat_bptt"]


def test_a_cell_costs_what_those_of_other_seeds_have(trials: list[Job]) -> None:
    first, second, third = trials
    records = [record(first, first.cell, 3600.0), record(second, second.cell, 7200.0)]
    assert estimate(Costs(records), third, third.cells) == [
        "about 1.5 device-hours on a CPU for 1 cell, by this store",
        "unknown cost: 1 cell, since nothing like it was measured",
    ]
    records.append(record(first, first.evaluations[0], 1800.0))
    assert estimate(Costs(records), third, third.cells) == [
        "about 2 device-hours on a CPU for 2 cells, by this store"
    ]


def test_a_cell_of_twice_the_copies_costs_twice_as_much(trials: list[Job]) -> None:
    first, second, _ = trials
    (own,) = second.evaluations
    double = own.model_copy(update={"settings": {**own.settings, "copies": 2 * own.settings["copies"]}})
    found = Costs([record(first, first.evaluations[0], 100.0)]).of(second, double)
    assert found and found.seconds == 200.0


def test_other_settings_are_another_cost(tiny: Path, trials: list[Job]) -> None:
    tiny.write_text(tiny.read_text().replace("window = 2", "window = 3"))
    (after, *_) = (job for job in grid.jobs(grid.load(tiny)) if job.label == "rat_bptt")
    found = estimate(Costs([record(trials[0], trials[0].cell, 3600.0)]), after, [after.cell])
    assert found == ["unknown cost: 1 cell, since nothing like it was measured"]


def test_a_stores_own_records_come_first_and_devices_stay_apart(trials: list[Job]) -> None:
    first, second, _ = trials
    (scored,) = first.evaluations
    own = [record(first, first.cell, 3600.0)]
    others = [record(first, first.cell, 9.0, "a GPU"), record(first, scored, 1800.0, "a GPU")]
    assert estimate(Costs(own, others), second, second.cells) == [
        "about 1 device-hours on a CPU for 1 cell, by this store",
        "about 0.5 device-hours on a GPU for 1 cell, by committed results",
    ]


def test_a_set_of_another_row_takes_as_long_to_score(trials: list[Job]) -> None:
    first, second, _ = trials
    other = first.model_copy(update={"label": "mine"})
    found = Costs([record(other, first.evaluations[0], 10.0)]).of(second, second.evaluations[0])
    assert found and found.seconds == 10.0


def test_measured_outer_steps_are_the_last_resort(trials: list[Job]) -> None:
    job = trials[0]
    values: dict[str, Any] = json.loads(job.cell.model_dump_json())
    step = StepCost(
        method="rat_bptt",
        task="digits",
        ipc=1,
        network=values["hyperparameters"]["network"],
        settings={"window": 2},
        seconds=1800.0,
        device="a GPU",
        source="measurements.json: outer step",
    )
    hours_ = values["hyperparameters"]["steps"] / 2
    assert estimate(Costs([], [], [step]), job, [job.cell]) == [
        f"about {hours_:.2g} device-hours on a GPU for 1 cell, by measurements.json"
    ]


def test_nothing_left_costs_nothing() -> None:
    assert list(told([])) == [] and hours([]) == "0"


def test_a_trial_with_a_budget_costs_at_most_that_until_one_like_it_was_measured(tiny: Path) -> None:
    tiny.write_text(tiny.read_text() + "\n[budget]\ndevice_seconds = [60, 3600]\n")
    (job,) = (job for job in grid.jobs(grid.load(tiny)) if job.label == "rat_bptt")
    assert estimate(Costs([]), job, [job.cell]) == [
        "about 1 device-hours on any device for 1 cell, by the budgets"
    ]
    measured = Costs([record(job, job.cell, 1800.0)]).of(job, job.cell)
    assert measured and measured.seconds == 1800.0
