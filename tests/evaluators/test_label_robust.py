"""What label_robust trains, and how often."""

from typing import Any

import pytest
import torch

from suite.core.sets.synthetic_set import one_hot
from suite.core.spec import Task
from suite.plugins.evaluators.label_robust import LabelRobust, hardened
from suite.plugins.evaluators.retrain import Retrain
from tests.support.real_sets import Trained, real, soft

NETWORK = "convnet-d1-w8-in"


def test_soft_labels_become_their_argmax(task: Task) -> None:
    found = hardened(real(task, soft())).labels
    wanted = one_hot(10, 2)
    wanted[0, 0] = torch.eye(10)[3]
    assert torch.equal(found, wanted) and found.dtype == torch.float32
    already = real(task)
    assert hardened(already) is already


def test_one_lrs_costs_ten_small_trainings(task: Task, trained: Trained) -> None:
    scores = (
        LabelRobust(native_recipe="rat-bptt-1000", network=NETWORK)
        .evaluate(real(task, soft()), task, seed=0)
        .values
    )
    assert [(how.name, len(seeds)) for how, _, seeds in trained] == [("rat-bptt-1000", 5), ("dsa-1000", 5)]
    assert {name: len(values) for name, values in scores.items()} == {
        "accuracy": 5,
        "hard": 5,
        "seconds": 10,  # one for each training
    }
    assert task.split.reads == 1


def test_a_training_that_is_the_same_is_done_once(task: Task, trained: Trained) -> None:
    scores = LabelRobust(network=NETWORK).evaluate(real(task), task, seed=0).values
    assert len(trained) == 1 and len(scores["seconds"]) == 5
    assert scores["hard"] == scores["accuracy"]


def test_soft_labels_are_trained_on_as_they_are_and_hard(task: Task, trained: Trained) -> None:
    labels = 0.6 * one_hot(10, 2) + 0.04
    LabelRobust(network=NETWORK).evaluate(real(task, labels), task, seed=0)
    assert [hard for _, hard, _ in trained] == [False, True]


def test_networks_are_those_of_retrain(task: Task) -> None:
    """So an accuracy is the same wherever it is measured, and differences pair by network."""
    asked = {"network": NETWORK, "copies": 2}
    one = Retrain(recipe="ncfm-40", **asked).evaluate(real(task), task, seed=3)  # type: ignore[arg-type]
    other = LabelRobust("ncfm-40", "ncfm-40", **asked).evaluate(real(task), task, seed=3)  # type: ignore[arg-type]
    assert one.values["accuracy"] == other.values["accuracy"] == other.values["hard"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: LabelRobust(native_recipe="dsa-100"), "did you mean 'dsa-1000'"),
        (lambda: LabelRobust(recipe="dsa-100"), "did you mean 'dsa-1000'"),
        (lambda: LabelRobust(recipe="rded-300-v2"), "'rded-300-v2' has a teacher that labels every batch"),
        (lambda: LabelRobust(copies=0), "copies 0 must be at least 1"),
    ],
)
def test_settings_that_are_no_good_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_images_too_small_for_the_network_are_refused(task: Task) -> None:
    with pytest.raises(ValueError):
        LabelRobust(network="convnet-d4-w8-in").check(task.train)
