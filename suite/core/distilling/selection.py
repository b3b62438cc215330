"""Base classes for methods that select real images, from the data alone or by a trained network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod, NetworkMethod
from suite.core.execution.transfer import send_ahead
from suite.core.limits import at_least_one, check_enough_real, not_negative
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.cached import trained_network
from suite.core.training.fit import map_batches, training_states
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import recipe_on_real


@dataclass(frozen=True)
class Selection(BaseMethod, ABC):
    """A method that selects real images; implement `choose`."""

    ordered: ClassVar[bool] = True

    @property
    def outer_steps(self) -> int:
        """One step, which selects the images."""
        return 1

    @abstractmethod
    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        """Return the indices (ipc,) of the selected images of each class, best first."""

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the selected images, and the seconds of cached work that are charged to this run."""
        return self.choose(train, ipc, seed=seed), 0.0

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a budget larger than the smallest class."""
        super().check(train, budget)
        check_enough_real(train, budget)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run of one step."""
        return SelectionDistiller(self, train, budget, seed)


class SelectionDistiller(BaseDistiller):
    """One run of a selection, in one step; before it, the set is the first images of each class."""

    def __init__(self, method: Selection, train: Examples, budget: Budget, seed: int) -> None:
        self.steps = 1
        self.method, self.train, self.budget, self.seed = method, train, budget, seed
        self.cached_seconds = 0.0
        self.chosen = torch.stack([indices[: budget.ipc] for indices in train.by_class()])

    def step(self) -> Mapping[str, float]:
        """Select."""
        chosen, self.cached_seconds = self.method.select(self.train, self.budget.ipc, seed=self.seed)
        self.chosen = torch.stack(chosen)
        return {}

    def synthetic(self) -> SyntheticSet:
        """Return the chosen images with hard labels."""
        return SyntheticSet.with_hard_labels(self.train.images[self.chosen])


@dataclass(frozen=True)
class TrainedSelection(Selection, NetworkMethod, ABC):
    """A selection that first trains a network on train; implement `select`."""

    epochs: int = 20
    training: str = "dc-300"  # recipe that gives the optimiser and the augmentation

    batch_norm: ClassVar[bool] = True
    untrained: ClassVar[bool] = False  # whether 0 epochs are allowed: networks at initialisation

    @abstractmethod
    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the choice, and the seconds of training that an earlier trial has paid for."""

    def __post_init__(self) -> None:
        recipe_on_real(self.training)
        (not_negative if self.untrained else at_least_one)(self, "epochs")

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        """Return the indices (ipc,) of the selected images of each class."""
        return self.select(train, ipc, seed=seed)[0]

    def watched(self, train: Examples, *, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Train a fresh network; yield each batch's rows (n,) and its logits (n, classes) before its step."""
        net = network(self.network, train.shape, train.classes)
        training = recipe_on_real(self.training).for_epochs(self.epochs)
        job = TrainingJob.on_examples(train, training, seed)
        batches = send_ahead(job.rows(), train.labels.device)
        for rows, (parameters,) in zip(batches, training_states(net, [job]), strict=False):
            yield rows, net.logits(parameters, train.images[rows])


@dataclass(frozen=True)
class FeatureSelection(TrainedSelection, ABC):
    """A selection by the features of a network trained on train; implement `order`."""

    @abstractmethod
    def order(self, features: Tensor, ipc: int) -> Tensor:
        """Return the selected rows (ipc,) of one class's features (n, d), best first."""

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the choice, and the seconds of training that an earlier trial has paid for."""
        parameters, seconds = trained_network(train, self.network, self.training, self.epochs, seed=seed)
        chosen = []
        for indices in train.by_class():
            features = _features(train.images[indices], self.network, train, parameters)
            chosen.append(indices[self.order(features, ipc)])
        return chosen, seconds


def _features(images: Tensor, name: str, train: Examples, parameters: Tensor) -> Tensor:
    net = network(name, train.shape, train.classes)
    return map_batches(lambda batch: net.features(parameters, batch), images)


def prediction_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the Euclidean distance (n,) of each image's probabilities from its label (n, classes).

    The score of EL2N, arXiv 2107.07075.
    """
    return (logits.softmax(1) - labels).square().sum(1).sqrt()


def highest(scores: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Return the rows (count,) of the highest scores (n,), highest first, equal ones in random order."""
    order = torch.randperm(len(scores), generator=rng)
    return order[scores[order].argsort(descending=True, stable=True)][:count]
