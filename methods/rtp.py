"""RTP: learn small bases shared by all classes, and coefficients that combine them into images.

Deng and Russakovsky, "Remember the past: distilling datasets into addressable memories for neural
networks", NeurIPS 2022, arXiv 2206.02916. Each outer step trains a fresh network by SGD with momentum on
decoded images, back-propagates through all inner steps, and takes a clipped step of SGD.
The main differences from the official code: bases take two fifths of the budget, as for CIFAR-10 at one image
per class (16), the only number that the code gives; there is no penalty on the coefficients (there it is not
part of the meta-gradient); `augment` is drawn for each image and inner step (there once for all).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import NetworkMethod
from suite.core.distilling.matching import real_batches
from suite.core.distilling.meta_learning import InnerTraining, MetaLearner
from suite.core.engine.optimisers import SGD
from suite.core.engine.truncation import Window
from suite.core.limits import above_zero, at_least_one, check_stored_bytes, not_negative
from suite.core.seeding import generator
from suite.core.sets.parametrisations import Linear, check_factor
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augment_for, augmentation


@dataclass(frozen=True)
class RTP(NetworkMethod):
    """Learn shared bases, and coefficients, through every step of the inner training."""

    steps: int = 500_000
    unroll: int = 150
    bases: int | None = None  # None: two fifths of the budget
    downsample: int = 2  # side of an image divided by the side of a base
    images: int | None = None  # decoded images per class; None fills the budget with coefficients
    per_class: int = 32  # decoded images of each class per inner step
    inner_lr: float = 0.01
    inner_momentum: float = 0.9
    outer_lr: float = 0.1
    outer_momentum: float = 0.5
    clip: float = 2.0  # largest norm of a meta-gradient; larger ones are scaled down
    real_per_class: int = 64
    augment: str = "none"  # or flip-rotate
    checkpoint_every: int | None = None  # keep every n-th state, recompute the others; None: keep all

    title: ClassVar[str] = "RTP: Remember the Past, linear bases"
    paper: ClassVar[str] = "arXiv 2206.02916"
    recipe: ClassVar[str] = "rtp-300"
    batch_norm: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 3,
        "unroll": 3,
        "real_per_class": 4,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "outer_lr": LogUniform(1e-2, 10.0),
        "inner_lr": LogUniform(3e-3, 0.1),
    }

    def __post_init__(self) -> None:
        augmentation(self.augment)
        at_least_one(self, "steps", "unroll", "bases", "images", "per_class", "real_per_class")
        at_least_one(self, "checkpoint_every")
        above_zero(self, "inner_lr", "outer_lr", "clip")
        not_negative(self, "inner_momentum", "outer_momentum")

    def sizes(self, train: Examples, budget: Budget) -> tuple[int, int]:
        """Return the number of bases, and of decoded images per class."""
        stored = train.classes * budget.ipc * math.prod(train.shape)
        base = math.prod(train.shape) // self.downsample**2
        bases = self.bases or max(1, 2 * stored // (5 * base))
        return bases, self.images or max(1, (stored - bases * base) // (train.classes * bases))

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse bases that do not divide the images, and sets larger than the budget."""
        super().check(train, budget)
        check_factor(self.downsample, *train.shape[1:])
        bases, images = self.sizes(train, budget)
        numbers = bases * (math.prod(train.shape) // self.downsample**2 + train.classes * images)
        check_stored_bytes(4 * numbers, train, budget, "lower bases or images, or raise downsample")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from Glorot's uniform bases and coefficients, as the authors do."""
        return RTPDistiller(self, train, budget, seed)


class RTPDistiller(MetaLearner):
    """One run of RTP."""

    def __init__(self, method: RTP, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method = method.steps, method
        bases, images = method.sizes(train, budget)
        inner = InnerTraining(
            method.network,
            optimiser=SGD(method.inner_lr, method.inner_momentum),
            minibatch=Minibatch(min(method.per_class, images)),
            augment=augmentation(augment_for(method.augment, train)),
            ipc=images,
            window=method.unroll,
            steps=method.steps * method.unroll,
            checkpoint_every=method.checkpoint_every,
        )
        super().__init__(inner, train, seed)
        self.real = real_batches(train, method.real_per_class)
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
        """Take one outer step with a fresh network."""
        learned = [self.bases, self.coefficients]
        window, size = Window(0, self.method.unroll), self.training.ipc
        rows = self.real.draw_distinct(self.real_rng)
        found = self.meta_gradient(learned, self._decoded, window, rows, size=size)
        norm = torch.stack([gradient.norm() for gradient in found.gradients]).norm()
        shrink = (self.method.clip / (norm + 1e-6)).clamp(max=1)
        for tensor, gradient in zip(learned, found.gradients, strict=True):
            tensor.grad = gradient * shrink
        self.optimiser.step()
        return {"outer_loss": found.loss, "gradient_norm": norm}

    def _decoded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        targets = torch.eye(self.train.classes, device=rows.device)
        code = Linear(self.bases, self.coefficients, *self.train.shape[1:])
        return code.rows(rows), targets[rows // self.training.ipc]

    def synthetic(self) -> SyntheticSet:
        """Return the decoded images, with the stored bases and coefficients."""
        code = Linear(self.bases.detach().clone(), self.coefficients.detach().clone(), *self.train.shape[1:])
        return SyntheticSet.from_parametrisation(code, self.training.minibatch)


def _glorot(rows: int, columns: int, rng: torch.Generator) -> Tensor:
    """Return a (rows, columns) matrix, uniform within sqrt(6 / (rows + columns))."""
    bound = math.sqrt(6 / (rows + columns))
    return (torch.rand(rows, columns, generator=rng) * 2 - 1) * bound


METHOD = RTP
