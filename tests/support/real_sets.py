"""Sets of real images, as evaluators are tested with."""

import torch
from torch import Tensor

from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Task
from suite.core.training.recipes import Recipe

Trained = list[tuple[Recipe, bool, tuple[int, ...]]]
"""Trainings: recipe, whether labels are hard, seeds."""


def real(task: Task, labels: Tensor | None = None) -> SyntheticSet:
    images = task.train.images[torch.stack([indices[:2] for indices in task.train.by_class()])]
    return SyntheticSet(images, one_hot(10, 2) if labels is None else labels)


def soft() -> Tensor:
    """Return labels of which class 0's first image is more of class 3, and all others of their own."""
    labels = 0.6 * one_hot(10, 2) + 0.04
    labels[0, 0] = torch.tensor([0.3, 0, 0, 0.7, 0, 0, 0, 0, 0, 0])
    return labels
