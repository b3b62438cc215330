"""What label_robust and augmentation_robust train, and how often."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data.tasks import load
from suite.core.networks.named import Network
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Task, TestSplit
from suite.core.training.recipes import Recipe, recipe
from suite.plugins.evaluators.augmentation_robust import AugmentationRobust
from suite.plugins.evaluators.label_robust import LabelRobust, hardened
from suite.plugins.evaluators.retrain import Retrain
from suite.plugins.smoke import smoke_data

NETWORK = "convnet-d1-w8-in"
Trained = list[tuple[Recipe, bool, tuple[int, ...]]]  # recipe, whether labels are hard, seeds


@pytest.fixture
def task() -> Task:
    found = load("digits")
    test = found.test.take(torch.arange(40))
    return dataclasses.replace(found, train=smoke_data(), split=TestSplit(test))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Record trainings instead of doing them."""
    done: Trained = []

    def fit_copies(net: Network, synthetic: SyntheticSet, how: Recipe, *, seeds: Sequence[int]) -> Any:
        done.append((how, synthetic.hard, tuple(seeds)))
        return (torch.full((net.size,), 0.01 * len(done)) for _ in seeds)

    monkeypatch.setattr("suite.core.training.retrain_together.fit_copies", fit_copies)
    return done


def real(task: Task, labels: Tensor | None = None) -> SyntheticSet:
    images = task.train.images[torch.stack([indices[:2] for indices in task.train.by_class()])]
    return SyntheticSet(images, one_hot(10, 2) if labels is None else labels)


def soft() -> Tensor:
    """Return labels of which class 0's first image is more of class 3, and all others of their own."""
    labels = 0.6 * one_hot(10, 2) + 0.04
    labels[0, 0] = torch.tensor([0.3, 0, 0, 0.7, 0, 0, 0, 0, 0, 0])
    return labels


def test_soft_labels_become_their_argmax(task: Task) -> None:
    found = hardened(real(task, soft())).labels
    wanted = one_hot(10, 2)
    wanted[0, 0] = torch.eye(10)[3]
    assert torch.equal(found, wanted) and found.dtype == torch.float32
    already = real(task)
    assert hardened(already) is already


def test_one_lrs_costs_ten_small_trainings(task: Task, trained: Trained) -> None:
    evaluator = LabelRobust(native_recipe="rat-bptt-1000", network=NETWORK)
    scores = evaluator.evaluate(real(task, soft()), task, seed=0).values
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


def test_only_the_augmentation_differs(task: Task, trained: Trained) -> None:
    evaluator = AugmentationRobust(native_recipe="rat-bptt-1000", network=NETWORK)
    scores = evaluator.evaluate(real(task), task, seed=0).values
    (augmented, _, first), (plain, _, second) = trained
    assert (augmented.augment, plain.augment) == ("dsa", "none")
    own = recipe("rat-bptt-1000")
    assert augmented == dataclasses.replace(own, augment="dsa")
    assert plain == dataclasses.replace(own, augment="none")
    assert first == second and len(scores["seconds"]) == 10 and task.split.reads == 1


def test_networks_are_those_of_retrain(task: Task) -> None:
    """So an accuracy is the same wherever it is measured, and differences pair by network."""
    asked = {"network": NETWORK, "copies": 2}
    one = Retrain(recipe="rat-bptt-1000", **asked).evaluate(real(task), task, seed=3)  # type: ignore[arg-type]
    other = LabelRobust("rat-bptt-1000", "rat-bptt-1000", **asked).evaluate(real(task), task, seed=3)  # type: ignore[arg-type]
    assert one.values["accuracy"] == other.values["accuracy"] == other.values["hard"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: LabelRobust(native_recipe="dsb"), "did you mean 'dsa-1000'"),
        (lambda: LabelRobust(recipe="dsb"), "did you mean 'dsa-1000'"),
        (lambda: LabelRobust(copies=0), "copies 0 must be at least 1"),
        (lambda: AugmentationRobust(native_recipe="dsb"), "did you mean 'dsa-1000'"),
        (lambda: AugmentationRobust(augment="dsb"), "did you mean 'dsa'"),
        (lambda: AugmentationRobust(augment="none"), "choose 'dsa' or 'flip-rotate'"),
        (lambda: AugmentationRobust(copies=0), "copies 0 must be at least 1"),
    ],
)
def test_settings_that_are_no_good_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_images_too_small_for_the_network_are_refused(task: Task) -> None:
    for made in (LabelRobust(network="convnet-d4-w8-in"), AugmentationRobust(network="convnet-d4-w8-in")):
        with pytest.raises(ValueError):
            made.check(task.train)
