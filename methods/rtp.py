"""RTP: a memory of small bases which all classes share, and each image's coefficients to combine them.

Deng and Russakovsky, "Remember the past: distilling datasets into addressable memories for neural
networks", NeurIPS 2022, arXiv 2206.02916. Learned by full back-propagation through SGD with momentum.
The authors give a number of bases for CIFAR-10 at one image per class, 16, which are two fifths of what
may be stored; elsewhere we take that share. Their penalty on the coefficients is left out: it does not
depend on the network, and so has no part in the meta-gradient.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseMethod
from suite.core.distilling.meta_learning import InnerTraining, MetaLearner
from suite.core.engine.optimisers import SGD
from suite.core.engine.truncation import Window
from suite.core.limits import above_zero, at_least_one, check_stored_bytes, not_negative
from suite.core.networks.named import STANDARD, network
from suite.core.seeding import generator
from suite.core.sets.parametrisations import Linear, check_factor
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augmentation


@dataclass(frozen=True)
class RTP(BaseMethod):
    """Learn bases that all classes share, and coefficients, through every step of the inner training."""

    steps: int = 500_000
    unroll: int = 150
    bases: int | None = None  # None: as many as take two fifths of the budget
    downsample: int = 2  # a base has so many times fewer pixels along a side than an image
    images: int | None = None  # per class that are decoded; None: as many as the budget has room for
    per_class: int = 32  # of these per inner step
    inner_lr: float = 0.01
    inner_momentum: float = 0.9
    outer_lr: float = 0.1
    outer_momentum: float = 0.5
    clip: float = 2.0  # norm above which a meta-gradient is scaled down
    real_per_class: int = 64
    augment: str = "none"  # or flip-rotate; drawn anew for each inner step, by the authors once for all
    network: str = STANDARD
    checkpoint_every: int | None = None  # steps per kept state; others are computed twice; None keeps all

    paper: ClassVar[str] = "arXiv 2206.02916"
    recipe: ClassVar[str] = "rtp-300"
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 3,
        "unroll": 3,
        "real_per_class": 4,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "outer_lr": LogUniform(1e-2, 1.0),
        "inner_lr": LogUniform(3e-3, 0.1),
    }

    def __post_init__(self) -> None:
        augmentation(self.augment)
        at_least_one(
            self, "steps", "unroll", "bases", "images", "per_class", "real_per_class", "checkpoint_every"
        )
        above_zero(self, "inner_lr", "outer_lr", "clip")
        not_negative(self, "inner_momentum", "outer_momentum")

    def sizes(self, train: Examples, budget: Budget) -> tuple[int, int]:
        """Return the number of bases, and of decoded images per class."""
        stored = train.classes * budget.ipc * math.prod(train.shape)
        base = math.prod(train.shape) // self.downsample**2
        bases = self.bases or max(1, 2 * stored // (5 * base))
        return bases, self.images or max(1, (stored - bases * base) // (train.classes * bases))

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse a network that does not fit the images, and more numbers than the budget has."""
        super().check(train, budget)
        network(self.network, train.shape, train.classes)
        check_factor(self.downsample, *train.shape[1:])
        bases, images = self.sizes(train, budget)
        numbers = bases * (math.prod(train.shape) // self.downsample**2 + train.classes * images)
        check_stored_bytes(4 * numbers, train, budget, "lower bases or images, or raise downsample")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from Glorot's uniform bases and coefficients, as the authors do."""
        return _Run(self, train, budget, seed)


class _Run(MetaLearner):
    def __init__(self, method: RTP, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method = method.steps, method
        bases, images = method.sizes(train, budget)
        inner = InnerTraining(
            method.network,
            optimiser=SGD(method.inner_lr, method.inner_momentum),
            minibatch=Minibatch(min(method.per_class, images)),
            augment=method.augment,
            ipc=images,
            steps=method.steps * method.unroll,
            checkpoint_every=method.checkpoint_every,
        )
        super().__init__(inner, train, seed)
        channels, height, width = train.shape
        side = height // method.downsample, width // method.downsample
        rng = generator(seed, "initial bases")
        self.bases = (
            _glorot(bases, channels * math.prod(side), rng).view(bases, channels, *side).to(train.images)
        )
        coefficients = _glorot(train.classes * images, bases, rng).view(train.classes, images, bases)
        self.coefficients = coefficients.to(train.images)
        learned = [self.bases.requires_grad_(), self.coefficients.requires_grad_()]
        self.optimiser = torch.optim.SGD(learned, lr=method.outer_lr, momentum=method.outer_momentum)

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step: a fresh network, trained for the whole unroll."""
        learned = [self.bases, self.coefficients]
        found = self.meta_gradient(learned, self._decoded, Window(0, self.method.unroll))
        norm = torch.stack([gradient.norm() for gradient in found.gradients]).norm()
        shrink = (self.method.clip / (norm + 1e-6)).clamp(max=1)
        for tensor, gradient in zip(learned, found.gradients, strict=True):
            tensor.grad = gradient * shrink
        self.optimiser.step()
        return {"outer_loss": found.loss, "gradient_norm": norm}

    def _decoded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        targets = torch.eye(self.train.classes, device=rows.device)
        return self._code().rows(rows), targets[rows // self.training.ipc]

    def _code(self) -> Linear:
        return Linear(self.bases, self.coefficients, *self.train.shape[1:])

    def real_rows(self) -> Tensor:
        """Draw so many rows of each class, without repeats."""
        count, rng = self.method.real_per_class, self.real_rng
        return torch.cat(
            [rows[torch.randperm(len(rows), generator=rng)[:count]] for rows in self.train.by_class()]
        )

    def synthetic(self) -> SyntheticSet:
        code = Linear(self.bases.detach().clone(), self.coefficients.detach().clone(), *self.train.shape[1:])
        return SyntheticSet.from_parametrisation(code, self.training.minibatch)


def _glorot(rows: int, columns: int, rng: torch.Generator) -> Tensor:
    """Return a (rows, columns) matrix, uniform within sqrt(6 / (rows + columns))."""
    bound = math.sqrt(6 / (rows + columns))
    return (torch.rand(rows, columns, generator=rng) * 2 - 1) * bound


METHOD = RTP
