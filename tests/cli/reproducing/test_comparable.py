"""Which printed figures a cell of ours repeats, and why others cannot be."""

import json
from typing import Any

import pytest

from suite.board.atlas.targets import REPORTED, Target
from suite.board.reported import Reported, reported
from suite.cli.reproducing.comparable import printed, target
from suite.plugins import registry


def entry(**changes: Any) -> Reported:
    values = {
        "task": "cifar10",
        "method": "dm",
        "figures": [[10, 48.9, 0.6]],
        "source": "a paper",
        "our_recipe": "native",
        "preprocessing": "plain",
    }
    return Reported.model_validate({**values, **changes})


def test_a_target_is_the_method_as_published() -> None:
    found = target(entry(), 10)
    assert isinstance(found, Target)
    assert (found.task, found.method, found.ipc) == ("cifar10", "dm", 10)
    assert (found.recipe, found.network, found.steps) == ("dsa-1000", "convnet-d3-w128-in", 20_000)
    assert json.loads(found.hyperparameters)["image_lr"] == 1.0
    large = target(entry(), 200)
    assert isinstance(large, Target) and json.loads(large.hyperparameters)["image_lr"] == 10.0


def test_whitened_images_are_those_of_the_source() -> None:
    found = target(entry(method="rat_bptt", preprocessing="zca"), 10)
    assert isinstance(found, Target) and found.task == "cifar10-zca"
    assert json.loads(found.hyperparameters)["window"] == 60  # of the family, whitened or not


def test_a_network_may_be_another() -> None:
    found = target(entry(task="tiny-imagenet", network="convnet-d4-w128-in"), 1)
    assert isinstance(found, Target)
    assert found.network == json.loads(found.hyperparameters)["network"] == "convnet-d4-w128-in"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "cafe"}, "cafe is not a method here"),
        ({"our_recipe": ""}, "no recipe here is that of the source"),
        ({"preprocessing": None}, "the source does not say how its images are preprocessed"),
        ({"task": "fashion-mnist", "preprocessing": "zca"}, "no task here has its preprocessing, zca"),
        ({"network": "none"}, "no network here is that of the source"),
        ({"network": "FRePo's own"}, "no network here is that of the source"),
    ],
    ids=str,
)
def test_a_figure_that_nothing_repeats_says_why(changes: dict[str, Any], reason: str) -> None:
    assert target(entry(**changes), 10) == reason


@pytest.mark.parametrize(
    ("method", "task", "preprocessing", "unknown", "known"),
    [
        ("rat_bptt", "cifar10", "zca", 50, 10),
        ("rat_bptt", "cifar100", "zca", 50, 10),
        ("tesla", "cifar10", "kornia", 10, 1),
        ("tesla", "cifar100", "kornia", 1, 50),
    ],
)
def test_a_figure_without_published_settings_is_not_compared(
    method: str, task: str, preprocessing: str, unknown: int, known: int
) -> None:
    figure = entry(task=task, method=method, preprocessing=preprocessing)
    assert target(figure, unknown) == "no settings are published for this size"
    assert isinstance(target(figure, known), Target)


def test_full_data_is_no_cell() -> None:
    assert target(entry(method="full_data"), 0) == "the source does not say how it trains on all images"


def test_a_misspelt_recipe_is_an_error_and_no_reason() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'dsa-100'"):
        target(entry(our_recipe="dsa-100"), 10)


def test_every_method_of_a_paper_here_has_a_figure_that_can_be_repeated() -> None:
    found = printed(reported(REPORTED))
    repeated = {each.entry.method for each in found if isinstance(each.target, Target)}
    ours = set(registry.names("method")) & {each.entry.method for each in found}
    whitened = {"mtt", "tesla", "datm", "ftd"}  # by kornia
    assert ours - repeated - whitened <= {"kip", "rfad", "rcig", "bptt"}  # which nobody retrains as we do
