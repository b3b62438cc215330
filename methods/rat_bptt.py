"""RaT-BPTT: back-propagation through a random window of the inner training.

Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", ICLR 2024, arXiv 2311.07025.
With another `truncation` the same code is T-BPTT, BPTT or R-BPTT, the paper's ablation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.augment import augmentation
from suite.core.distilling import BaseDistiller, BaseMethod, check_enough_real
from suite.core.initialising import Initialisation, initial_images
from suite.core.networks import STANDARD, network
from suite.core.seeding import generator
from suite.core.spec import (
    Budget,
    Choice,
    Distiller,
    Examples,
    LogUniform,
    Minibatch,
    SyntheticSet,
    one_hot,
)
from suite.core.unroll import Adam, TruncationSchedule, Window, check_truncation, meta_gradient, place_window

_LATER = {"truncation": "fixed", "per_class": 1, "learn_labels": True, "outer_lr": 3e-4}


@dataclass(frozen=True)
class RaTBPTT(BaseMethod):
    """Learn images through a randomly placed window of differentiated inner steps."""

    steps: int = 18_000  # where the released CIFAR-10 IPC 10 set was best
    unroll: int = 200
    window: int = 60
    truncation: TruncationSchedule = "random"
    redraw_every: int = 1  # outer steps per window; the official code redraws once per epoch (10)
    outer_lr: float = 1e-3
    inner_lr: float = 1e-3
    real_batch: int = 5000
    per_class: int | None = None  # images of each class per inner step; None takes all
    inner_classes: int | None = None  # classes per inner step; None takes all
    learn_labels: bool = False
    clip: float = 2.0  # image meta-gradients longer than this many average norms are scaled down
    augment: str = "flip-rotate"
    initial: Initialisation = "unit-noise"
    network: str = STANDARD

    paper: ClassVar[str] = "arXiv 2311.07025"
    recipe: ClassVar[str] = "rat-bptt"
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 3,
        "unroll": 4,
        "window": 2,
        "real_batch": 32,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "outer_lr": LogUniform(1e-4, 1e-2),
        "window": Choice((20, 40, 60)),
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 10): {"window": 60, "unroll": 200},
        ("cifar100", 1): {"window": 90, "unroll": 130, **_LATER},
        ("cifar100", 10): {"window": 100, "unroll": 300, "per_class": 1, "learn_labels": True},
        ("tiny-imagenet", 10): {
            "window": 100,
            "unroll": 300,
            "per_class": 1,
            "inner_classes": 50,
            "learn_labels": True,
            "real_batch": 1000,
            "outer_lr": 3e-4,
            "network": "convnet-d4-w128-in",
        },
        ("imagenet-64", 1): {
            "window": 80,
            "unroll": 280,
            "inner_classes": 50,
            "real_batch": 1500,
            "network": "convnet-d4-w128-in",
            **_LATER,
        },
    }

    def __post_init__(self) -> None:
        check_truncation(self.truncation, self.unroll, self.window)
        augmentation(self.augment)
        Minibatch(self.per_class, self.inner_classes)
        if min(self.steps, self.real_batch, self.redraw_every) < 1:
            raise ValueError(
                f"steps {self.steps}, real_batch {self.real_batch} and redraw_every {self.redraw_every} "
                "must be at least 1"
            )

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse a network or minibatch that does not fit the task and the budget."""
        super().check(train, budget)
        network(self.network, train.shape, train.classes)
        if self.initial == "real":
            check_enough_real(train, budget)
        if self.per_class is not None and self.per_class > budget.ipc:
            raise ValueError(f"per_class {self.per_class} is larger than ipc {budget.ipc}; lower per_class")
        if self.inner_classes is not None and self.inner_classes > train.classes:
            raise ValueError(f"inner_classes {self.inner_classes}: the task has {train.classes} classes")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from Gaussian images of unit norm unless `initial` says otherwise."""
        return _Run(self, train, budget, seed)


class _Run(BaseDistiller):
    def __init__(self, method: RaTBPTT, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train = method.steps, method, train
        self.network = network(method.network, train.shape, train.classes)
        self.minibatch = Minibatch(method.per_class, method.inner_classes)
        self.images = initial_images(train, budget.ipc, method.initial, seed=seed).requires_grad_()
        self.labels = one_hot(train.classes, budget.ipc).to(self.images).requires_grad_(method.learn_labels)
        learned = [self.images, self.labels] if method.learn_labels else [self.images]
        self.optimiser = torch.optim.Adam(learned, lr=method.outer_lr)
        self.taken, self.average_norm, self.before, self.length = 0, 0.0, 0, 0
        self.window_draw = generator(seed, "window")
        self.network_draw = generator(seed, "networks")
        self.batch_draw = generator(seed, "minibatches")
        self.real_draw = generator(seed, "real batches")
        self.augment_draw = generator(seed, "augmentation")

    def step(self) -> Mapping[str, float]:
        learned = [self.images, self.labels] if self.method.learn_labels else [self.images]
        found = meta_gradient(
            self._inner_loss,
            self._outer_loss,
            self.network.initialise(self.network_draw, self.images.device),
            learned,
            optimiser=Adam(self.method.inner_lr),
            window=self._place_window(),
        )
        for value, gradient in zip(learned, found.gradients, strict=True):
            value.grad = gradient
        norm = self._clip()
        self.optimiser.step()
        with torch.no_grad():
            self.labels.clamp_(min=0)  # never negative, and not renormalised
        self.taken += 1
        return {"outer_loss": float(found.loss), "gradient_norm": norm}

    def _place_window(self) -> Window:
        if self.taken % self.method.redraw_every == 0:
            method = self.method
            placed = place_window(
                method.truncation, unroll=method.unroll, window=method.window, draw=self.window_draw
            )
            self.before, self.length = placed.before, placed.length
        return Window(self.before, self.length)

    def _inner_loss(self, step: int, parameters: Tensor) -> Tensor:
        rows = self.minibatch.draw(self.train.classes, self.images.shape[1], self.batch_draw).to(
            self.images.device
        )
        images, targets = self.images.flatten(0, 1)[rows], self.labels.flatten(0, 1)[rows]
        return cross_entropy(self.network.logits(parameters, self._augmented(images)), targets)

    def _outer_loss(self, parameters: Tensor) -> Tensor:
        """Return the loss of the final parameters on one real batch."""
        count = min(self.method.real_batch, len(self.train))
        rows = torch.randperm(len(self.train), generator=self.real_draw)[:count]
        real = self.train.take(rows.to(self.images.device))
        return cross_entropy(self.network.logits(parameters, self._augmented(real.images)), real.labels)

    def _augmented(self, images: Tensor) -> Tensor:
        augment = augmentation(self.method.augment)
        return augment.apply(images, augment.draw(len(images), self.augment_draw))

    def _clip(self) -> float:
        """Clip the images' meta-gradient by its running average norm; return its norm before.

        The average takes in the new norm before it limits it. Labels are not clipped.
        """
        gradient = self.images.grad
        norm = float(gradient.norm()) if gradient is not None else 0.0
        self.average_norm = norm if self.taken == 0 else 0.9 * self.average_norm + 0.1 * norm
        limit = self.method.clip * self.average_norm
        if gradient is not None and norm > limit:
            gradient.mul_(limit / norm)
        return norm

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet(self.images.detach().clone(), self.labels.detach().clone(), self.minibatch)


METHOD = RaTBPTT
