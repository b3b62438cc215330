"""Base classes for methods that match classes and store formations, each of several smaller images.

Formations are IDC's, arXiv 2205.14959. A step decodes them, draws real images, augments both sides of a class
by the same parameters, and moves the stored pixels.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, NetworkMethod
from suite.core.distilling.initial_images import initial_images
from suite.core.distilling.matching import Pairing, draw_pairing, real_batches
from suite.core.execution.replayed import ReplayedLoss
from suite.core.limits import above_zero, at_least_one, check_enough_real, not_negative
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation, Reduction, check_factor
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.augment import augment_for, augmentation

PixelRange = Literal["unit", "any"]


@dataclass(frozen=True)
class Match:
    """What an update draws: rows of decoded images (classes * n,) and of real ones (classes, m), and how both
    are augmented.
    """

    synthetic: Tensor
    real: Tensor
    pairing: Pairing


@dataclass(frozen=True)
class FormationMethod(NetworkMethod):
    """A method that matches classes and stores formations."""

    steps: int = 10_000
    factor: int = 2  # a stored image decodes to factor * factor
    image_lr: float = 1.0
    image_momentum: float = 0.5
    real_batch: int = 128  # real images of each class per update
    synthetic_batch: int | None = None  # most decoded images of each class per update; None: all
    augment: str = "color+crop+cutout"

    # "unit": each channel's range in the real images is mapped to [0, 1], and pixels are kept there.
    pixel_range: ClassVar[PixelRange] = "unit"
    reduction: ClassVar[Reduction] = "nearest"  # of the initial real images

    def __post_init__(self) -> None:
        augmentation(self.augment)
        at_least_one(self, "steps", "real_batch", "synthetic_batch")
        above_zero(self, "image_lr")
        not_negative(self, "image_momentum")

    def rate(self, ipc: int) -> float:
        """Return the learning rate of the pixels of `ipc` stored images per class."""
        return self.image_lr

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse images that the factor does not divide, and too few real images for the start."""
        super().check(train, budget)
        check_factor(self.factor, *train.shape[1:])
        check_enough_real(train, budget, each=self.factor**2)


class FormationDistiller(BaseDistiller):
    """A run that learns the pixels of formations (classes, ipc, channels, height, width)."""

    def __init__(self, method: FormationMethod, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.step_count = method.steps, 0
        self.method = replace(method, augment=augment_for(method.augment, train))
        self.network = network(method.network, train.shape, train.classes)
        self.real = real_batches(train, method.real_batch)
        self.low = train.images.amin((0, 2, 3))[:, None, None]
        self.span = train.images.amax((0, 2, 3))[:, None, None] - self.low
        if method.pixel_range == "any":
            self.low, self.span = torch.zeros_like(self.low), torch.ones_like(self.span)
        many = self.initial(train, budget.ipc * method.factor**2, seed)
        stored = MultiFormation.of(many, method.factor, method.reduction).formations
        self.pixels = ((stored - self.low) / self.span).requires_grad_()
        self.real_rng = generator(seed, "real batches")
        self.choice_rng = generator(seed, "synthetic batches")
        self.augment_rng = generator(seed, "augmentation")

    def initial(self, train: Examples, count: int, seed: int) -> Tensor:
        """Return the real images (classes, count, …) that the formations hold at first."""
        return initial_images(train, count, "real", seed=seed)

    def draw_match(self) -> Match:
        """Draw the images of an update, and their augmentation."""
        classes, count = len(self.pixels), self.pixels.shape[1] * self.method.factor**2
        chosen = Minibatch(self.method.synthetic_batch).sample(classes, count, self.choice_rng)
        rows = self.real.draw(self.real_rng)
        return Match(chosen, rows, draw_pairing(self.method.augment, classes, self.augment_rng))

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Clip the pixels to [0, 1]."""
        self.pixels.clamp_(0, 1)

    def decoded(self, labels: slice = slice(None)) -> Tensor:
        """Return the images (classes, ipc * factor², …) of some classes."""
        return MultiFormation(self.learned()[labels] * self.span + self.low, self.method.factor).decode()

    def learned(self) -> Tensor:
        """Return the pixels, through which the loss is differentiated."""
        return self.pixels

    def augmented(self, match: Match) -> tuple[Tensor, Tensor]:
        """Return the real and the synthetic images (classes, n, …) of an update, augmented alike."""
        images = self.decoded()
        synthetic = images.flatten(0, 1)[match.synthetic].unflatten(0, (len(images), -1))
        return match.pairing.apply(self.real.images[match.real], synthetic)

    def synthetic(self) -> SyntheticSet:
        """Return the decoded images with their parametrisation."""
        pixels = self.pixels.detach()
        if self.method.pixel_range == "unit":
            pixels = pixels.clamp(0, 1)
        stored = pixels * self.span + self.low
        return SyntheticSet.from_parametrisation(MultiFormation(stored, self.method.factor))


class ClasswiseDistiller(FormationDistiller):
    """A run whose loss is a sum over classes, each followed by a step of SGD, as in the papers' code."""

    def __init__(self, method: FormationMethod, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.loss = ReplayedLoss.on(train.images.device, self.gap)
        # The step after a class's gradient moves the other classes by their velocities. Over all classes that
        # is one step with the rate and the momentum of as many steps.
        powers = [method.image_momentum**step for step in range(train.classes + 1)]
        rate = method.rate(budget.ipc) * sum(powers[:-1])
        self.optimiser = torch.optim.SGD([self.pixels], lr=rate, momentum=powers[-1])

    @abstractmethod
    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor, *given: Tensor) -> Tensor:
        """Return the loss of synthetic and real images (classes, n, …) in a network, summed over classes.

        given: tensors on which it depends besides; it is differentiated by the synthetic images.
        """

    def update(self, match: Match, *given: Tensor) -> Tensor:
        """Update the pixels once; return the loss before the update, per class. given: as those of `gap`."""
        real, synthetic = self.augmented(match)
        loss = self.loss(synthetic, real, *given)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step_count += 1
        return loss.detach().double() / len(self.pixels)
