"""Kernel regression of the test images: by hand on pixels, by the closed form of its features elsewhere."""

import dataclasses

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Task, TestSplit
from suite.plugins.evaluators.kernel_regression import KernelRegression

QUICK = KernelRegression("convnet-d1-w8-none", networks=2, copies=2)


def task() -> Task:
    """Two classes of 2 x 2 pixels that tell by the sign of their first pixel; one of four tests misleads."""
    rows = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [0.5, 0, 0, 0], [-2.0, 0, 0, 0]])
    test = Examples(rows.view(4, 1, 2, 2), torch.tensor([0, 1, 0, 0]), 2)
    return dataclasses.replace(load("digits"), train=test, split=TestSplit(test))


def made() -> SyntheticSet:
    images = torch.zeros(2, 1, 1, 2, 2)
    images[0, 0, 0, 0, 0], images[1, 0, 0, 0, 0] = 1, -1
    return SyntheticSet(images, one_hot(2, 1))


def test_pixels_by_hand() -> None:
    on = task()
    found = QUICK.evaluate(made(), on, seed=0).values
    # The one weight there is has the first pixel's sign: three of four.
    assert found["accuracy/pixels"] == (0.75, 0.75)
    assert on.split.reads == 1 and len(found["accuracy"]) == 2


def test_a_set_of_real_images_is_better_than_one_of_shuffled_labels() -> None:
    digits = load("digits")
    rows = torch.stack([indices[:3] for indices in digits.train.by_class()])
    right = SyntheticSet(digits.train.images[rows], one_hot(10, 3))
    wrong = dataclasses.replace(right, labels=right.labels.roll(1, 0))
    accuracies = [QUICK.evaluate(each, load("digits"), seed=0).values["accuracy"] for each in (right, wrong)]
    assert min(accuracies[0]) > 0.5 and max(accuracies[1]) < 0.3


def test_a_set_without_features_is_refused() -> None:
    dark = SyntheticSet(torch.zeros(2, 1, 1, 2, 2), one_hot(2, 1))
    with pytest.raises(ValueError, match="features of the set are zero"):
        QUICK.evaluate(dark, task(), seed=0)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="networks 0"):
        KernelRegression(networks=0)
    with pytest.raises(ValueError, match="ridge 0"):
        KernelRegression(ridge=0.0)
    with pytest.raises(ValueError, match="too small"):
        KernelRegression("convnet-d3-w8-none").check(task().train)
