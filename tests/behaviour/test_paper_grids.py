"""The grids of the papers: images as the authors preprocess them, and one network for all methods."""

from pathlib import Path

import pytest

from suite.board.atlas.targets import Target
from suite.board.reported import reported
from suite.cli.reproducing.comparable import printed
from suite.core.data.task_info import family
from suite.experiments import grid
from suite.experiments.schema import Grid
from suite.experiments.tables import grid_files
from suite.records.cells import Evaluation, Trial

RESULTS = Path(__file__).parents[2] / "results"
GRIDS = ("paper", "paper-64", "paper-birds")


def load(name: str) -> Grid:
    return grid.load(grid_files.locate(name))


@pytest.mark.parametrize("name", GRIDS)
def test_methods_of_plain_images_have_no_whitened_ones(name: str) -> None:
    found = load(name)
    for label in ("dc", "dsa", "dm", "idc", "idc_i", "rtp", "rded"):
        tasks = found.method[label].tasks_of(found.tasks)
        assert tasks and all(family(task) == task for task in tasks), label
    for label in ("rat_bptt", "frepo"):
        colour = [each for each in found.method[label].tasks_of(found.tasks) if each != "fashion-mnist"]
        assert colour and all(task.endswith("-zca") for task in colour), label
    assert {family(task) for task in found.method["dm"].tasks_of(found.tasks)} == {
        family(task) for task in found.method["rat_bptt"].tasks_of(found.tasks)
    }


@pytest.mark.parametrize("name", [*GRIDS, "paper-imagenet"])
def test_every_task_has_its_random_subsets_under_every_recipe(name: str) -> None:
    recipes: dict[tuple[str, str], set[str]] = {}
    for job in grid.jobs(load(name)):
        if isinstance(job.cell, Trial):
            own = {str(cell.settings["recipe"]) for cell in job.evaluations if cell.evaluator == "retrain"}
            recipes.setdefault((job.cell.task, job.label), set()).update(own)
    for (task, label), own in recipes.items():
        assert own <= recipes[task, "random_subset"], (task, label)


def test_the_grids_have_one_network_for_each_size_of_images() -> None:
    names = {"paper": "convnet-d3-w128-in", "paper-64": "convnet-d4-w128-in"}
    for name, network in {**names, "paper-imagenet": "resnet18stem7-w64-bn"}.items():
        cells = [cell for job in grid.jobs(load(name)) for cell in job.cells]
        evaluations = [cell for cell in cells if isinstance(cell, Evaluation)]
        trials = [cell for cell in cells if isinstance(cell, Trial)]
        assert {cell.settings["network"] for cell in evaluations} == {network}
        assert {cell.hyperparameters.get("network", network) for cell in trials} == {network}


def test_a_printed_figure_of_a_row_is_on_images_that_it_has() -> None:
    """Where the authors' figures can be repeated, the grids run the method on their kind of images."""
    rows: dict[tuple[str, str], list[str]] = {}
    for found in map(load, GRIDS):
        for label, row in found.method.items():
            for task in row.tasks_of(found.tasks):
                rows.setdefault((row.base or label, family(task)), []).append(task)
    figures = printed(reported(RESULTS / "reported.toml"))
    own = [each for each in figures if isinstance(each.target, Target) and each.entry.our_recipe == "native"]
    wrong = {
        (each.entry.method, each.entry.variant)
        for each in own
        if each.entry.variant not in rows.get((each.entry.method, each.entry.task), [each.entry.variant])
    }
    assert not wrong and len(own) > 60
