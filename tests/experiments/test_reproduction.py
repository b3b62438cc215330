"""The grid of one printed figure."""

import pytest

from suite.experiments import grid
from suite.experiments.reproduction import one_cell
from suite.records.cells import Trial

NETWORK = "convnet-d3-w128-in"


def test_a_cell_is_the_one_of_a_grid_that_names_it() -> None:
    """So that records of a large grid serve as a reproduction, and conversely."""
    made = one_cell("rat_bptt", "cifar10-zca", 10, network=NETWORK, recipes=["native"], seeds=2, copies=5)
    large = grid.made(
        "large",
        {
            "title": "",
            "tasks": ["cifar10-zca", "svhn"],
            "ipc": [1, 10],
            "seeds": [0, 1, 2],
            "method": {"rat_bptt": {}, "dm": {}},
            "evaluator": {"retrain": {"recipe": ["dsa-1000", "native"], "copies": 5}},
        },
    )
    cells = {cell.id for job in grid.jobs(large) for cell in job.cells}
    own = [cell.id for job in grid.jobs(made) for cell in job.cells]
    assert len(own) == 4 and set(own) <= cells


def test_the_network_is_the_methods_and_the_evaluators() -> None:
    (job,) = grid.jobs(one_cell("dm", "cifar10", 1, network="mlp-w8", recipes=["dsa-1000"]))
    assert isinstance(job.cell, Trial) and job.cell.hyperparameters["network"] == "mlp-w8"
    assert job.evaluations[0].settings["network"] == "mlp-w8"


def test_settings_change_it_and_mistakes_are_told() -> None:
    made = one_cell("dm", "cifar10", 1, network=NETWORK, recipes=["native"], settings=["method.dm.steps=3"])
    (job,) = grid.jobs(made)
    assert isinstance(job.cell, Trial) and job.cell.hyperparameters["steps"] == 3
    with pytest.raises(ValueError, match="the grid of dm: unknown key 'step'"):
        one_cell("dm", "cifar10", 1, network=NETWORK, recipes=["native"], settings=["step=3"])
