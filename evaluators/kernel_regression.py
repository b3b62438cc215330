"""Kernel ridge regression on the set, which is KIP's and RFAD's objective. It never ranks.

Nguyen et al., arXiv 2107.13034; the kernel by random features, as in RFAD, arXiv 2210.12067.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.limits import above_zero, at_least_one
from suite.core.networks.named import Network, network
from suite.core.networks.nngp import random_features, random_networks
from suite.core.scores import SECONDS, Score
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.fit import map_batches
from suite.core.training.regression import centred, ridge_weights

Features = Callable[[Tensor], Tensor]
"""Maps images (n, …) to features (n, d)."""


@dataclass(frozen=True)
class KernelRegression:
    """Score kernel ridge regression on the set: no network is trained.

    network: its NNGP kernel is estimated with `networks` random networks. By default it is the grid's
    network; set `convnet-d3-w256-none` for the papers' kernel, which has no norm.
    """

    network: str = "convnet-d3-w256-none"
    networks: int = 8
    ridge: float = 5e-3  # relative to the kernel's mean diagonal
    copies: int = 5

    title: ClassVar[str] = "Kernel ridge regression"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "network kernel", ranks=True),
        Score("accuracy/*", "{}"),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {"network": "convnet-d1-w8-none", "networks": 2, "copies": 1}

    def __post_init__(self) -> None:
        at_least_one(self, "networks", "copies")
        above_zero(self, "ridge")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return `accuracy` with each copy's random networks, and `accuracy/pixels` on pixels."""
        net, started = network(self.network, task.train.shape, task.train.classes), perf_counter()
        images, targets = synthetic.flat()
        drawn = [self._features(net, seed, copy, images.device) for copy in range(self.copies)]
        features = [_pixels, *drawn]
        heads = [ridge_weights(map_batches(each, images), centred(targets), self.ridge) for each in features]
        if not torch.stack([head.isfinite().all() for head in heads]).all():
            raise ValueError("the features of the set are zero or not finite, so a regression is impossible")
        seconds = perf_counter() - started
        test = task.test  # the only read, after all regressions
        pixels, *kernels = (
            _accuracy(each, weights, test) for each, weights in zip(features, heads, strict=True)
        )
        parts = {"accuracy/pixels": (pixels,) * self.copies}  # deterministic
        return Scores({"accuracy": tuple(kernels), **parts, "seconds": (seconds,)})

    def _features(self, net: Network, seed: int, copy: int, device: torch.device) -> Features:
        rng = generator(derive(seed, "copy", copy), "random features")
        drawn = random_networks(net, self.networks, rng, device)
        return lambda images: random_features(net, drawn, images)


def _pixels(images: Tensor) -> Tensor:
    return images.flatten(1)


def _accuracy(features: Features, weights: Tensor, test: Examples) -> float:
    predicted = map_batches(lambda images: features(images) @ weights, test.images)
    return float((predicted.argmax(1) == test.labels).double().mean())


EVALUATOR = KernelRegression
