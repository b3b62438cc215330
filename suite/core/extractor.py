"""Networks trained on all of train, whose features or course selection methods look at.

Training one is most of a selection's cost, so it is cached in the data folder and shared by trials;
what it cost is kept with it, and charged to every trial that uses it.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter

from torch import Tensor

from suite.core import cache
from suite.core.bounds import at_least_one
from suite.core.cache import Building, Facts, Stream, Tensors
from suite.core.datasets import data_folder
from suite.core.distilling import Selection
from suite.core.examples import hash_tensor
from suite.core.networks import STANDARD, network
from suite.core.recipes import recipe
from suite.core.spec import Budget, Examples
from suite.core.training import fit_full, in_batches

Features = Tensor
"""Embeddings (n, d) of the images of one class."""


@dataclass(frozen=True)
class Extractor:
    """Trained parameters (size,) and the seconds that their training took."""

    parameters: Tensor
    seconds: float


@dataclass(frozen=True)
class TrainedSelection(Selection, ABC):
    """A selection that trains a network on train first; implement `select`."""

    network: str = STANDARD
    epochs: int = 20
    training: str = "dc"  # the recipe whose optimiser and augmentation train the network

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
        extractor = trained(train, self.network, self.training, self.epochs, seed=seed)
        borrowed = max(0.0, extractor.seconds - (perf_counter() - started))
        chosen = []
        for indices in train.by_class():
            features = _features(train.images[indices], self.network, train, extractor.parameters)
            chosen.append(indices[self.order(features, ipc).to(indices.device)])
        return chosen, {"borrowed_seconds": borrowed}


def trained(train: Examples, name: str, training: str, epochs: int, *, seed: int) -> Extractor:
    """Return the network `name` trained on `train` under the recipe `training` for `epochs`."""

    def build() -> Tensor:
        net = network(name, train.shape, train.classes)
        return fit_full(net, train, recipe(training), epochs, seed=seed)

    return Extractor(*once("network", train, [name, asdict(recipe(training)), epochs, seed], build))


def once(kind: str, train: Examples, how: list[object], build: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return what a training on `train` gives, and the seconds that `build` once took for it.

    kind, how: a name, and as JSON all that the result depends on besides `train`.
    """

    def timed() -> Building:
        started = perf_counter()
        found = build().cpu()
        seconds = perf_counter() - started
        return Building({kind: Stream(found.dtype, tuple(found.shape), [found])}, {"seconds": seconds})

    def finish(tensors: Tensors, facts: Facts) -> tuple[Tensor, float]:
        return tensors[kind].clone().to(train.images.device), float(facts["seconds"])

    stem = f"{kind}-{_digest(train, [*how, str(train.images.device.type)])[:24]}"
    return cache.open_or_build(cache.usable_folder(data_folder()), stem, timed, finish)


def _digest(train: Examples, how: list[object]) -> str:
    digest = hashlib.sha256(json.dumps(how).encode())
    for tensor in (train.images, train.labels):
        hash_tensor(digest, tensor)
    return digest.hexdigest()


def _features(images: Tensor, name: str, train: Examples, parameters: Tensor) -> Features:
    net = network(name, train.shape, train.classes)
    return in_batches(lambda batch: net.features(parameters, batch), images)
