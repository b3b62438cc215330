"""What augmentation_robust trains."""

import dataclasses
from typing import Any

import pytest

from suite.core.spec import Task
from suite.core.training.recipes import recipe
from suite.plugins.evaluators.augmentation_robust import AugmentationRobust
from tests.support.real_sets import Trained, real

NETWORK = "convnet-d1-w8-in"


def test_only_the_augmentation_differs(task: Task, trained: Trained) -> None:
    scores = (
        AugmentationRobust(native_recipe="rat-bptt-1000", network=NETWORK)
        .evaluate(real(task), task, seed=0)
        .values
    )
    (augmented, _, first), (plain, _, second) = trained
    assert (augmented.augment, plain.augment) == ("dsa-unmirrored", "none")  # of digits
    own = recipe("rat-bptt-1000")
    assert augmented == dataclasses.replace(own, augment="dsa").for_data(task.train)
    assert plain == dataclasses.replace(own, augment="none")
    assert first == second and len(scores["seconds"]) == 10 and task.split.reads == 1


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: AugmentationRobust(native_recipe="dsa-100"), "did you mean 'dsa-1000'"),
        (lambda: AugmentationRobust(augment="dsb"), "did you mean 'dsa'"),
        (lambda: AugmentationRobust(augment="none"), "choose another, such as 'dsa'"),
        (lambda: AugmentationRobust(copies=0), "copies 0 must be at least 1"),
    ],
)
def test_settings_that_are_no_good_are_refused(made: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made()


def test_images_too_small_for_the_network_are_refused(task: Task) -> None:
    with pytest.raises(ValueError):
        AugmentationRobust(network="convnet-d4-w8-in").check(task.train)
