"""RaT-BPTT: back-propagation through a random window of the inner training.

Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", ICLR 2024, arXiv 2311.07025.
With another `truncation` the same code is T-BPTT, BPTT or R-BPTT, the paper's ablation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseMethod
from suite.core.distilling.initial_images import Initialisation, check_initial, initial_images
from suite.core.distilling.meta_learning import InnerTraining, MetaLearner
from suite.core.engine.optimisers import Adam
from suite.core.engine.truncation import TruncationSchedule, Window, check_truncation, place_window
from suite.core.engine.unroll import MetaGradient, average
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.networks.named import STANDARD, network
from suite.core.precision import Precision, multiplying
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augmentation

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
    networks: int = 1  # inner networks per outer step, over which the meta-gradient is averaged
    precision: Precision = "float32"  # of products; states and sums are float32
    checkpoint_every: int | None = None  # steps per kept state; others are computed twice; None keeps all
    skips: int = 10  # meta-gradients that may be not finite, and are left out, before the run diverges

    paper: ClassVar[str] = "arXiv 2311.07025"
    recipe: ClassVar[str] = "rat-bptt-1000"
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
        at_least_one(self, "steps", "real_batch", "redraw_every", "networks")
        above_zero(self, "outer_lr", "inner_lr", "clip")
        not_negative(self, "skips")
        every = self.checkpoint_every
        if every is not None and not 1 <= every <= self.longest:
            raise ValueError(
                f"checkpoint_every {every} must lie between 1 and the window's {self.longest} steps"
            )

    @property
    def longest(self) -> int:
        """Steps of the longest window."""
        return self.window if self.truncation in ("random", "fixed") else self.unroll

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse a network or minibatch that does not fit the task and the budget."""
        super().check(train, budget)
        network(self.network, train.shape, train.classes)
        check_initial(train, budget, self.initial)
        if self.per_class is not None and self.per_class > budget.ipc:
            raise ValueError(f"per_class {self.per_class} is larger than ipc {budget.ipc}; lower per_class")
        if self.inner_classes is not None and self.inner_classes > train.classes:
            raise ValueError(f"inner_classes {self.inner_classes}: the task has {train.classes} classes")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from Gaussian images of unit norm unless `initial` says otherwise."""
        return Run(self, train, budget, seed)


class Run(MetaLearner):
    """One run; an extension may let only some of the images learn."""

    def __init__(self, method: RaTBPTT, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method = method.steps, method
        inner = InnerTraining(
            method.network,
            optimiser=Adam(method.inner_lr),
            minibatch=Minibatch(method.per_class, method.inner_classes),
            augment=method.augment,
            ipc=budget.ipc,
            steps=self.alike * method.networks * method.longest,
            precision=method.precision,
            checkpoint_every=method.checkpoint_every,
        )
        super().__init__(inner, train, seed)
        self.images = self.initial(train, budget, seed)
        self.labels = one_hot(train.classes, budget.ipc).to(self.images)
        self.optimiser = Adam(method.outer_lr)
        # A state for each of what is learned: itself and Adam's moments.
        self.image_state = self.optimiser.start(self.images.flatten())
        self.label_state = self.optimiser.start(self.labels.flatten())
        self.taken, self.before, self.length = 0, 0, 0
        self.applied, self.skipped, self.average_norm, self.loss = self.images.new_zeros(4).unbind()
        self.window_rng = generator(seed, "window")
        self.found = MetaGradient(self.loss, (), self.loss, self.loss[None])

    @property
    def alike(self) -> int:
        """Outer steps whose inner batches have one shape: how many a compilation serves."""
        return self.method.steps

    @property
    def learning(self) -> slice:
        """The places in each class of the images that learn; what is behind them is not there yet."""
        return slice(0, self.images.shape[1])

    @property
    def present(self) -> int:
        """Images per class that are there."""
        return int(self.learning.stop)

    def initial(self, train: Examples, budget: Budget, seed: int) -> Tensor:
        """Return the images (classes, ipc, …) to start from."""
        return initial_images(train, budget.ipc, self.method.initial, seed=seed)

    def shown(self, learning: Tensor, whole: Tensor) -> Tensor:
        """Return what inner training sees of the images or labels `whole`, those that learn given."""
        return learning

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step. Nothing in it waits for the device: metrics are scalars there."""
        window, method = self._place_window(), self.method
        with multiplying(method.precision):
            self.found = average([self._meta_gradient(window) for _ in range(method.networks)])
        (images, *labels), finite = self.found.gradients, self.found.finite
        self.taken += 1
        self.applied, self.skipped = self.applied + finite, self.skipped + ~finite
        norm = images.norm()
        self.image_state = self.updated(self.image_state, self._clipped(images, norm, finite), finite)
        self.images = self.image_state[0].view_as(self.images)
        if labels:
            self.label_state = self.updated(self.label_state, labels[0], finite)
            self.label_state[0].clamp_(min=0)  # never negative, and not renormalised
            self.labels = self.label_state[0].view_as(self.labels)
        self.loss = torch.where(finite, self.found.loss, self.loss)
        lost = self.skipped > method.skips
        return {
            "outer_loss": torch.where(lost, torch.nan, self.loss),
            "gradient_norm": torch.where(finite, norm, 0.0),
            "skipped": self.skipped,
        }

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step."""
        return self.found.first_nonfinite()

    def _place_window(self) -> Window:
        if self.taken % self.method.redraw_every == 0:
            method = self.method
            placed = place_window(
                method.truncation, unroll=method.unroll, window=method.window, rng=self.window_rng
            )
            self.before, self.length = placed.before, placed.length
        return Window(self.before, self.length)

    def _meta_gradient(self, window: Window) -> MetaGradient:
        """Return the meta-gradient of one fresh network."""
        images = self.images[:, self.learning].clone().requires_grad_()
        labels = self.labels[:, self.learning].clone().requires_grad_(self.method.learn_labels)

        def decode(rows: Tensor) -> tuple[Tensor, Tensor]:
            seen, targets = self.shown(images, self.images), self.shown(labels, self.labels)
            return seen.flatten(0, 1)[rows], targets.flatten(0, 1)[rows]

        return self.meta_gradient([images, labels] if self.method.learn_labels else [images], decode, window)

    def real_rows(self) -> Tensor:
        """Draw the rows of the real batch."""
        return self.train.sample_rows(self.method.real_batch, self.real_rng)

    def _clipped(self, gradient: Tensor, norm: Tensor, finite: Tensor) -> Tensor:
        """Scale the images' meta-gradient down to a multiple of its running average norm.

        The average takes in the new norm before it limits it. Labels are not clipped.
        """
        average = torch.where(self.age > 1, 0.9 * self.average_norm + 0.1 * norm, norm)
        self.average_norm = torch.where(finite, average, self.average_norm)
        limit = self.method.clip * self.average_norm
        return torch.where(norm > limit, gradient * (limit / norm), gradient)

    @property
    def age(self) -> Tensor:
        """Meta-gradients applied since the running average began."""
        return self.applied

    def updated(self, state: Tensor, gradient: Tensor, finite: Tensor) -> Tensor:
        """Take Adam's step, unless the meta-gradient is not finite."""
        rule = self.optimiser
        after = rule.update(state, gradient.flatten(), rule.lr, rule.corrections(self.applied))
        return torch.where(finite, after, state)

    def synthetic(self) -> SyntheticSet:
        """Return what there is."""
        here = slice(self.learning.stop)
        return SyntheticSet(
            self.images[:, here].clone(), self.labels[:, here].clone(), self.training.minibatch
        )


METHOD = RaTBPTT
