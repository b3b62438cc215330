"""RaT-BPTT: back-propagation through a random window of the inner training.

Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", ICLR 2024, arXiv 2311.07025.
Each outer step trains a fresh network on the set, differentiates its loss on a real batch through a randomly
placed window of the training, clips the meta-gradient by its running average norm, and takes a step of Adam.
Learned labels are kept non-negative. The paper's ablation is in `bptt`, `t_bptt` and `r_bptt`.
The main differences from the official code: the window is drawn at each outer step (there once per epoch of
ten steps, see `redraw_every`), and Adam's eps (see `eps_inside`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from suite.core.distilling.base import ImageMethod
from suite.core.distilling.boosting import with_frozen
from suite.core.distilling.initial_images import Initialisation, initial_images
from suite.core.distilling.meta_learning import InnerTraining, LearnedSet, MetaLearner, NormClip
from suite.core.engine.meta_gradient import average
from suite.core.engine.optimisers import inner_optimiser
from suite.core.engine.truncation import TruncationSchedule, Window, check_truncation, place_window
from suite.core.engine.unroll import MetaGradient
from suite.core.execution.streams import side_by_side
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.precision import Precision, multiplying
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import UNPUBLISHED, Budget, Choice, Distiller, Examples, LogUniform, later
from suite.core.training.augment import augment_for, augmentation

SOFT: Mapping[str, Any] = {"learn_labels": True, "per_class": 1}
"""The authors' settings for a hundred classes: learned labels, one image of each class a step."""

MANY: Mapping[str, Any] = {"inner_classes": 50, **SOFT, "outer_lr": 3e-4}
"""Their settings for more classes."""

_PUBLISHED: dict[tuple[str, int], dict[str, Any]] = {
    ("cifar10", 1): {"unroll": 200},
    ("cifar10", 10): {"unroll": 200},
    ("cifar100", 1): {"unroll": 300, "real_batch": 2000, "inner_classes": 50, **SOFT},
    ("cifar100", 10): {"unroll": 300, **SOFT},
    ("cub200-32", 1): {"unroll": 200, "real_batch": 3000, **SOFT},
    ("tiny-imagenet", 1): {
        "unroll": 300,
        "real_batch": 500,
        "inner_classes": 30,
        **SOFT,
        "outer_lr": 5e-4,
        "inner_lr": 5e-4,
    },
    ("tiny-imagenet", 10): {"unroll": 300, "real_batch": 1000, **MANY},
    ("imagenet-64", 1): {"unroll": 280, "real_batch": 1500, **MANY},
}
_WINDOWS = {
    **{key: {"window": 60 if settings["unroll"] == 200 else 100} for key, settings in _PUBLISHED.items()},
    ("imagenet-64", 1): {"window": 80},
}
_PODD = "PoDD's code, arXiv 2403.12040, which distils by RaT-BPTT at 0.9 images per class"


def borrowed(source: str) -> dict[tuple[str, int], str]:
    """Return `source` for all settings of RaT-BPTT, and the printed sizes that have none."""
    printed = (("cifar10", 50), ("cifar100", 50), ("imagenet-64", 10))
    return {**dict.fromkeys(_PUBLISHED, source), **dict.fromkeys(printed, UNPUBLISHED)}


_BORROWED = {
    **{key: source for key, source in borrowed(_PODD).items() if key[1] == 1 or source == UNPUBLISHED},
    ("imagenet-64", 1): "the authors' command for a fixed window, of the same length and unroll",
}


@dataclass(frozen=True)
class UnrolledMethod(ImageMethod):
    """The common base of RaT-BPTT and the paper's ablation; subclasses choose the differentiated steps."""

    steps: int = 18_000  # the best step of the released CIFAR-10 set at ipc 10
    unroll: int = 200
    redraw_every: int = 1  # outer steps per window; the official code redraws once per epoch (10)
    outer_lr: float = 1e-3
    inner_lr: float = 1e-3
    real_batch: int = 5000
    per_class: int | None = None  # images of each class per inner step; None: all
    inner_classes: int | None = None  # classes per inner step; None: all
    learn_labels: bool = False
    clip: float = 2.0  # largest norm of the image meta-gradient, relative to its running average
    augment: str = "flip-rotate"
    initial: Initialisation = "unit-noise"
    networks: int = 1  # inner networks per outer step; their meta-gradients are averaged
    precision: Precision = "float32"  # precision of products; states and sums are float32
    checkpoint_every: int | None = None  # keep every n-th state, recompute the others; None: keep all
    max_nonfinite: int = 10  # non-finite meta-gradients that are skipped before the run diverges
    eps_inside: bool = later(default=False)  # in the window, add Adam's eps where `higher` does
    inner_optimiser: Literal["adam", "sgd"] = later(default="adam")  # sgd: with momentum 0.9

    paper: ClassVar[str] = "arXiv 2311.07025"
    recipe: ClassVar[str] = "rat-bptt-1000"
    batch_norm: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 3,
        "unroll": 4,
        "real_batch": 32,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "outer_lr": LogUniform(1e-4, 0.1),
        "inner_lr": LogUniform(3e-4, 1e-2),
        "initial": Choice(("unit-noise", "real")),
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = _PUBLISHED
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = borrowed(
        "the settings of rat_bptt without its window"
    )

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window; by default it is the whole unroll."""
        return "full"

    @property
    def max_window(self) -> int:
        """Length of the longest window."""
        return self.unroll

    def unroll_at(self, step: int) -> int:
        """Return the length of the unroll at an outer step, counted from 0."""
        return self.unroll

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "unroll", "real_batch", "redraw_every", "networks")
        above_zero(self, "outer_lr", "inner_lr", "clip")
        not_negative(self, "max_nonfinite")
        check_truncation(self.schedule, self.unroll, self.max_window)
        augmentation(self.augment)
        Minibatch(self.per_class, self.inner_classes)
        inner_optimiser(self.inner_optimiser, self.inner_lr, eps_inside=self.eps_inside)
        every = self.checkpoint_every
        if every is not None and not 1 <= every <= self.max_window:
            raise ValueError(
                f"checkpoint_every {every} must lie between 1 and the window's {self.max_window} steps"
            )

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a minibatch that is larger than the set."""
        super().check(train, budget)
        if self.per_class is not None and self.per_class > budget.ipc:
            raise ValueError(f"per_class {self.per_class} is larger than ipc {budget.ipc}; lower per_class")
        if self.inner_classes is not None and self.inner_classes > train.classes:
            raise ValueError(f"inner_classes {self.inner_classes}: the task has {train.classes} classes")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from the images that `initial` names, and one-hot labels."""
        return RaTBPTTDistiller(self, train, budget, seed)


@dataclass(frozen=True)
class WindowedMethod(UnrolledMethod):
    """An unrolled method whose window is shorter than the unroll."""

    window: int = 60

    smoke: ClassVar[Mapping[str, Any]] = {**UnrolledMethod.smoke, "window": 2}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        key: {**_WINDOWS[key], **settings} for key, settings in _PUBLISHED.items()
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = _BORROWED

    @property
    def max_window(self) -> int:
        """Length of every window."""
        return self.window


@dataclass(frozen=True)
class RaTBPTT(WindowedMethod):
    """Learn images through a randomly placed window of differentiated inner steps."""

    truncation: Literal["random", "fixed"] = "random"  # fixed: at the end, which is T-BPTT
    growing: bool = later(default=False)  # the unroll grows evenly over the outer steps, from the window

    title: ClassVar[str] = "RaT-BPTT: back-propagation through a random window"

    def unroll_at(self, step: int) -> int:
        """Return the length of the unroll at an outer step, counted from 0."""
        grown = (self.unroll - self.window + 1) * step // self.steps
        return self.window + grown if self.growing else self.unroll

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window."""
        return self.truncation


class ImageMetaLearner(MetaLearner):
    """Draw windows, compute meta-gradients of a set, and count non-finite ones."""

    def __init__(
        self, method: UnrolledMethod, train: Examples, ipc: int, seed: int, *, steps_of_one_shape: int
    ) -> None:
        """Create a learner. steps_of_one_shape: outer steps that share compiled code."""
        inner = InnerTraining(
            method.network,
            optimiser=inner_optimiser(method.inner_optimiser, method.inner_lr, eps_inside=method.eps_inside),
            minibatch=Minibatch(method.per_class, method.inner_classes),
            augment=augmentation(augment_for(method.augment, train)),
            ipc=ipc,
            window=method.max_window,
            steps=steps_of_one_shape * method.networks * method.max_window,
            precision=method.precision,
            checkpoint_every=method.checkpoint_every,
        )
        super().__init__(inner, train, seed)
        self.steps, self.method = method.steps, method
        self.clip = NormClip(method.clip, train.images)
        self.window_rng = generator(seed, "window")
        self.step_count, self.before, self.length = 0, 0, 0
        self.loss, self.skipped = train.images.new_zeros(()), train.images.new_zeros(())
        self.last = MetaGradient(self.loss, (), self.loss, self.loss[None])

    def next_window(self) -> Window:
        """Count an outer step and return its window, drawn again every `redraw_every` steps."""
        method = self.method
        if self.step_count % method.redraw_every == 0:
            unroll, window = method.unroll_at(self.step_count), method.max_window
            placed = place_window(method.schedule, unroll=unroll, window=window, rng=self.window_rng)
            self.before, self.length = placed.before, placed.length
        self.step_count += 1
        return Window(self.before, self.length)

    def gradient_of(
        self, images: Tensor, labels: Tensor, window: Window, *, frozen: tuple[Tensor, Tensor] | None = None
    ) -> MetaGradient:
        """Return the mean meta-gradient over fresh networks, for the images and, if learned, the labels.

        frozen: images and labels placed before these; inner networks train on them, but they do not change.
        """
        task = partial(self._gradient_of, images, labels, window, frozen)
        with multiplying(self.method.precision):
            self.last = average(side_by_side([task] * self.method.networks, images.device))
        return self.last

    def _gradient_of(
        self, images: Tensor, labels: Tensor, window: Window, frozen: tuple[Tensor, Tensor] | None
    ) -> MetaGradient:
        learn_labels = self.method.learn_labels
        images, labels = images.clone().requires_grad_(), labels.clone().requires_grad_(learn_labels)
        size = images.shape[1] + (frozen[0].shape[1] if frozen else 0)

        def decode(rows: Tensor) -> tuple[Tensor, Tensor]:
            seen, targets = with_frozen(frozen, (images, labels)) if frozen else (images, labels)
            return seen.flatten(0, 1)[rows], targets.flatten(0, 1)[rows]

        learned = [images, labels] if learn_labels else [images]
        rows = self.train.sample_rows(self.method.real_batch, self.real_rng)
        return self.meta_gradient(learned, decode, window, rows, size=size)

    def report(self, norm: Tensor, finite: Tensor) -> Mapping[str, Tensor]:
        """Return the step's metrics; the loss is the last finite one, or nan after too many failures."""
        self.skipped = self.skipped + ~finite
        self.loss = torch.where(finite, self.last.loss, self.loss)
        return {
            "outer_loss": torch.where(self.skipped > self.method.max_nonfinite, torch.nan, self.loss),
            "gradient_norm": torch.where(finite, norm, 0.0),
            "skipped": self.skipped,
        }

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step."""
        return self.last.first_nonfinite()


class RaTBPTTDistiller(ImageMetaLearner):
    """One run of RaT-BPTT, BPTT, T-BPTT or R-BPTT; only the window differs."""

    def __init__(self, method: UnrolledMethod, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget.ipc, seed, steps_of_one_shape=method.steps)
        images = initial_images(train, budget.ipc, method.initial, seed=seed)
        self.learned = LearnedSet(images, method.outer_lr)

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step without waiting for the device; metrics are tensors on it."""
        window = self.next_window()
        found = self.gradient_of(self.learned.images.value, self.learned.labels.value, window)
        (of_images, *of_labels), finite = found.gradients, found.finite
        norm = of_images.norm()
        clipped = self.clip(of_images, norm, finite)  # labels are not clipped
        self.learned.step([clipped, *of_labels], finite)
        return self.report(norm, finite)

    def synthetic(self) -> SyntheticSet:
        """Return the images and labels."""
        images, labels = self.learned.images.value.clone(), self.learned.labels.value.clone()
        return SyntheticSet(images, labels, self.training.minibatch)


METHOD = RaTBPTT
