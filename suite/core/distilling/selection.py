"""Bases for methods that pick real images: by the data alone, or by a network trained on them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.limits import at_least_one, check_enough_real
from suite.core.networks.named import STANDARD, network
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.core.training.pretrained import trained_network
from suite.core.training.recipes import recipe


@dataclass(frozen=True)
class Selection(BaseMethod, ABC):
    """A method that only picks real images: it implements `choose`."""

    ordered: ClassVar[bool] = True

    @property
    def outer_steps(self) -> int:
        """One: the choice."""
        return 1

    @abstractmethod
    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        """Return for each class the indices (ipc,) of its chosen images, the best first."""

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], Mapping[str, float]]:
        """Return the choice and the step's metrics."""
        return self.choose(train, ipc, seed=seed), {}

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse a budget that the smallest class cannot fill."""
        super().check(train, budget)
        check_enough_real(train, budget)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run of one step: the choice."""
        return _SelectionRun(self, train, budget, seed)


class _SelectionRun(BaseDistiller):
    def __init__(self, method: Selection, train: Examples, budget: Budget, seed: int) -> None:
        self.steps = 1
        self.method, self.train, self.budget, self.seed = method, train, budget, seed
        # Until the step is taken, the first images of each class stand in.
        self.chosen = torch.stack([indices[: budget.ipc] for indices in train.by_class()])

    def step(self) -> Mapping[str, float]:
        chosen, metrics = self.method.select(self.train, self.budget.ipc, seed=self.seed)
        self.chosen = torch.stack(chosen)
        return metrics

    def synthetic(self) -> SyntheticSet:
        images = self.train.images[self.chosen]
        labels = one_hot(self.train.classes, self.budget.ipc).to(images)
        return SyntheticSet(images, labels)


Features = Tensor
"""Embeddings (n, d) of the images of one class."""


@dataclass(frozen=True)
class TrainedSelection(Selection, ABC):
    """A selection that trains a network on train first; implement `select`."""

    network: str = STANDARD
    epochs: int = 20
    training: str = "dc-300"  # the recipe whose optimiser and augmentation train the network

    @abstractmethod
    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], Mapping[str, float]]:
        """Choose, and name the seconds of training that an earlier trial had paid for."""

    def __post_init__(self) -> None:
        recipe(self.training)
        at_least_one(self, "epochs")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse images too small for the network."""
        super().check(train, budget)
        network(self.network, train.shape, train.classes)

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        """Return for each class the indices (ipc,) of its chosen images."""
        return self.select(train, ipc, seed=seed)[0]


@dataclass(frozen=True)
class FeatureSelection(TrainedSelection, ABC):
    """A selection that looks at features of a network trained on train; implement `order`."""

    @abstractmethod
    def order(self, features: Features, ipc: int) -> Tensor:
        """Return the rows (ipc,) to choose among one class's features (n, d), the best first."""

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], Mapping[str, float]]:
        """Choose, and name the seconds of training that an earlier trial had paid for."""
        started = perf_counter()
        extractor = trained_network(train, self.network, self.training, self.epochs, seed=seed)
        borrowed = max(0.0, extractor.seconds - (perf_counter() - started))
        chosen = []
        for indices in train.by_class():
            features = _features(train.images[indices], self.network, train, extractor.parameters)
            chosen.append(indices[self.order(features, ipc).to(indices.device)])
        return chosen, {"cached_seconds": borrowed}


def _features(images: Tensor, name: str, train: Examples, parameters: Tensor) -> Features:
    net = network(name, train.shape, train.classes)
    return map_batches(lambda batch: net.features(parameters, batch), images)
