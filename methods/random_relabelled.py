"""Random subset with a teacher's labels: the images of `random_subset`, labelled by a trained network.

DD-Ranking (arXiv 2505.13300) compares methods with soft labels with such subsets, so that IOR is no gain of
the labels alone. A teacher trains on train; labels are its probabilities of the plain images. In DD-Ranking
they are the logits of networks that its user brings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.initial_images import random_choice
from suite.core.distilling.selection import SelectionDistiller, TrainedSelection
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.cached import trained_network
from suite.core.training.fit import map_batches


@dataclass(frozen=True)
class RandomRelabelled(TrainedSelection):
    """Select random real images of each class, and label them by `network`, trained on train."""

    title: ClassVar[str] = "Random subset with the labels of a teacher"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 1, "network": "convnet-d1-w8-in"}

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Draw the images of `random_subset`; nothing is trained for it."""
        return random_choice(train, ipc, seed=seed), 0.0

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run of one step."""
        return RelabelledDistiller(self, train, budget, seed)


class RelabelledDistiller(SelectionDistiller):
    """One run, in one step; before it, the set is the first images of each class with hard labels."""

    method: RandomRelabelled

    def __init__(self, method: RandomRelabelled, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.network = network(method.network, train.shape, train.classes)
        self.labels = one_hot(train.classes, budget.ipc, like=train.images)

    @torch.no_grad()
    def step(self) -> Mapping[str, float]:
        """Select, and label."""
        super().step()
        how = self.method.network, self.method.training, self.method.epochs
        teacher, self.cached_seconds = trained_network(self.train, *how, seed=self.seed)
        logits = map_batches(partial(self.network.logits, teacher), self.train.images[self.chosen])
        self.labels = logits.softmax(-1)
        return {}

    def synthetic(self) -> SyntheticSet:
        """Return the chosen images with their labels."""
        return SyntheticSet(self.train.images[self.chosen], self.labels)


METHOD = RandomRelabelled
