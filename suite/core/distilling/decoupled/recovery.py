"""Images recovered from teachers: batches of images, each a step of Adam along a cosine, clipped to train.

The shared parts of SRe2L (arXiv 2306.13092) and its successors, which differ in the images' views, in what
they match and in how long an image is optimised.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, NetworkMethod
from suite.core.distilling.initial_images import initial_images
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one, not_negative
from suite.core.networks.named import STANDARD, Network, network, with_batch_norm
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, Teacher
from suite.core.spec import Budget, Examples
from suite.core.training.augment import Augmentation, AugmentParams
from suite.core.training.cached import own_teacher
from suite.core.training.recipes import recipe_on_real

BETAS = (0.5, 0.9)
"""Of Adam."""


@dataclass(frozen=True)
class RecoveryMethod(NetworkMethod):
    """A method that recovers images from trained networks, by the statistics of some of their layers."""

    steps: int = 1000  # of each image
    image_lr: float = 0.25  # of Adam; it falls to zero along half a cosine
    match_weight: float = 0.01  # of the distance of statistics, beside the cross-entropy
    first_weight: float = 10.0  # of the first layer's distance among those of all layers
    jitter: int = 4  # a view is rolled by up to so many pixels
    batch: int = 100  # images whose statistics are matched together, at most
    training: str = "sre2l-squeeze-200"  # recipe of the teachers
    epochs: int = 200  # of the teachers

    batch_norm: ClassVar[bool] = True
    matched: ClassVar[str] = "batch norm"  # the layers that a teacher must have

    def __post_init__(self) -> None:
        recipe_on_real(self.training)
        at_least_one(self, "steps", "batch", "epochs")
        not_negative(self, "image_lr", "match_weight", "first_weight", "jitter")

    @abstractmethod
    def teacher_names(self, train: Examples) -> list[str]:
        """Return the names of the teachers' networks for the images of `train`."""

    def teaches(self, net: Network) -> bool:
        """Return whether a network has the layers whose statistics are matched."""
        return net.statistics_size > 0

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse teachers without the layers whose statistics are matched."""
        super().check(train, budget)
        for name in self.teacher_names(train):
            try:
                fits = self.teaches(network(name, train.shape, train.classes))
            except ValueError as error:
                raise ValueError(f"teacher {name!r}: {error}") from None
            if not fits:
                # The network's own twin, or that of the field's network.
                fitting = (with_batch_norm(each, train.shape, train.classes) for each in (name, STANDARD))
                other = next(each for each in fitting if each != name)
                raise ValueError(
                    f"teacher {name!r} has no {self.matched}, whose statistics are matched; set the teacher "
                    f"to another network, such as {other!r}"
                )


@dataclass(frozen=True)
class Known:
    """What a run does not change: its teachers, their networks, and the range of train's pixels.

    low, high: (channels, 1, 1).
    """

    teachers: tuple[Teacher, ...]
    networks: tuple[Network, ...]
    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class View:
    """The class-major rows (n,) of a batch, its augmentation, and the pixels by which it is rolled."""

    rows: Tensor
    params: AugmentParams
    roll: tuple[int, int]


class RecoveryDistiller(BaseDistiller):
    """One run; a step takes one step of every batch, since batches do not depend on each other."""

    def __init__(self, method: RecoveryMethod, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.step_count, self.ipc = method.steps, 0, budget.ipc
        self.method, self.train = method, train
        found = [
            own_teacher(train, name, method.training, method.epochs) for name in method.teacher_names(train)
        ]
        teachers = tuple(teacher for teacher, _ in found)
        self.cached_seconds = sum((seconds for _, seconds in found), 0.0)
        nets = tuple(network(each.network, train.shape, train.classes) for each in teachers)
        low, high = train.images.amin((0, 2, 3)), train.images.amax((0, 2, 3))
        self.known = Known(teachers, nets, low[:, None, None], high[:, None, None])
        self.images = self.first_images(seed)
        self.optimiser = torch.optim.Adam([self.images], lr=method.image_lr, betas=BETAS)
        self.rng = generator(seed, "views")

    def first_images(self, seed: int) -> Tensor:
        """Return the images (classes, ipc, …) before the first step: noise."""
        return initial_images(self.train, self.ipc, "noise", seed=seed)

    def batches(self) -> Sequence[Tensor]:
        """Return the class-major rows (n,) of each batch of this step, on the host.

        A batch has images of several classes, one of each; the next ones of the classes are in other batches.
        """
        places = torch.arange(self.train.classes * self.ipc).view(self.train.classes, self.ipc)
        return [rows for column in places.t() for rows in column.split(self.method.batch)]

    @property
    @abstractmethod
    def views(self) -> Augmentation:
        """The augmentation of this step; one draw is for all images of a batch."""

    @abstractmethod
    def loss(self, seen: Tensor, labels: Tensor, batch: int) -> Tensor:
        """Return the loss of a batch's views (n, …), given their classes (n,) and the batch's number."""

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step."""
        rate = (1 + cos(pi * self.step_count / self.steps)) / 2
        self.optimiser.param_groups[0]["lr"] = self.method.image_lr * rate
        self.images.grad = torch.zeros_like(self.images)
        drawn, losses = send_nested([self._view(rows) for rows in self.batches()], self.images.device), []
        for number, view in enumerate(drawn):
            chosen = self.images.flatten(0, 1)[view.rows].requires_grad_()
            seen = self.views.apply(chosen, view.params).roll(view.roll, (2, 3))
            loss = self.loss(seen, view.rows // self.ipc, number)
            # Into its rows: by autograd each batch would make a gradient of all images.
            self.images.grad.flatten(0, 1)[view.rows] = torch.autograd.grad(loss, chosen)[0]
            losses.append(loss.detach())
        self.optimiser.step()
        self.images.clamp_(self.known.low, self.known.high)
        self.step_count += 1
        return {"outer_loss": torch.stack(losses).mean()}

    def _view(self, rows: Tensor) -> View:
        params, most = self.views.sample(1, self.rng), self.method.jitter + 1
        down, right = torch.randint(most, (2,), generator=self.rng).tolist()
        return View(rows, params, (down, right))

    def weighted(self, gaps: Sequence[Tensor]) -> Tensor:
        """Return the sum of the layers' distances, the first one with `first_weight`."""
        return self.method.first_weight * gaps[0] + sum(gaps[1:], start=gaps[0].new_zeros(()))

    def synthetic(self) -> SyntheticSet:
        """Return the images with hard labels, and the teachers for recipes that label every batch."""
        made = SyntheticSet.with_hard_labels(self.images.clone())
        return replace(made, teachers=self.known.teachers)
