"""Small training sets, and a small task."""

import dataclasses

import torch

from suite.core.data.tasks import load
from suite.core.seeding import generator
from suite.core.spec import Examples, Task, TestSplit
from suite.plugins.smoke import smoke_data


def few_digits(per_class: int) -> Examples:
    """Return the first training images of each class of digits."""
    digits = load("digits").train
    return digits.take(torch.cat([indices[:per_class] for indices in digits.by_class()]))


def two_classes() -> Examples:
    """Return 40 images of 4x4 in two classes: of -1 and of 1, with noise."""
    labels = torch.arange(40) % 2
    noise = torch.randn(40, 1, 4, 4, generator=generator(0)) * 0.3
    return Examples(noise + (labels * 2.0 - 1)[:, None, None, None], labels, 2)


def smoke_task() -> Task:
    """Return digits with the training images of the conformance checks and a split without reads."""
    digits = load("digits")
    return dataclasses.replace(digits, train=smoke_data(), split=TestSplit(digits.test))
