"""Augmentations that mix the images of a batch, and their targets."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from suite.core.training.augmentation.single import Augmentation, AugmentParams, Size


@dataclass(frozen=True)
class CutMix:
    """Apply another augmentation; then, with a probability, mix in a rectangle of another image.

    The rectangle is the same for a batch. Its centre and its share of the area (before it is cut at the
    border) are uniform. The other images are a permutation of the batch. Targets are mixed by area.
    """

    first: Augmentation
    probability: float

    mixes: ClassVar[bool] = True

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the parameters of `first`, and five more numbers for each image."""
        drawn = self.first.sample(count, rng)
        return AugmentParams(
            drawn.operation, torch.cat([drawn.uniform, torch.rand(count, 5, generator=rng)], 1)
        )

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Augment, then fill the rectangle."""
        uniform, size = params.uniform.to(images), (images.shape[2], images.shape[3])
        seen = self.first.apply(images, AugmentParams(params.operation, uniform[:, :-5]))
        spans = zip(self._rectangle(uniform, size), size, strict=True)
        rows, columns = (_within(*span, side) for span, side in spans)
        return torch.where(rows[:, None] & columns, seen[_partners(uniform)], seen)

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Mix the targets by the rectangle's share of the area."""
        uniform = params.uniform.to(targets.device)
        (top, bottom), (left, right) = self._rectangle(uniform, size)
        share = ((bottom - top) * (right - left)).double() / (size[0] * size[1])
        return (1 - share) * targets + share * targets[_partners(uniform)]

    def _rectangle(self, uniform: Tensor, size: Size) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the rows and columns of the rectangle as (start, end), empty if nothing is mixed."""
        whether, area, *centre = uniform[0, -4:].double().unbind()
        spans = []
        for side, at in zip(size, centre, strict=True):
            middle, half = (at * side).long(), (side * area.sqrt()).long() // 2
            half = torch.where(whether < self.probability, half, 0)
            spans.append(((middle - half).clamp(min=0), (middle + half).clamp(max=side)))
        return spans[0], spans[1]


@dataclass(frozen=True)
class Mixup:
    """Apply another augmentation; then mix every image with another one of the batch, by a common share.

    The share of the image is drawn from a beta distribution whose parameters are both `alpha`, at most 1.
    Source: arXiv 1710.09412.
    """

    first: Augmentation
    alpha: float

    mixes: ClassVar[bool] = True

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the parameters of `first`, a number for each image that orders the partners, and the share."""
        drawn = self.first.sample(count, rng)
        shares = torch.tensor([[_beta(self.alpha, rng)]]).expand(count, 1)
        numbers = [drawn.uniform, torch.rand(count, 1, generator=rng), shares]
        return AugmentParams(drawn.operation, torch.cat(numbers, 1))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Augment, then mix."""
        uniform = params.uniform.to(images)
        seen = self.first.apply(images, AugmentParams(params.operation, uniform[:, :-2]))
        return self._mixed(seen, uniform)

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Mix the targets by the same share."""
        return self._mixed(targets, params.uniform.to(targets))

    def _mixed(self, values: Tensor, uniform: Tensor) -> Tensor:
        share, partners = uniform[0, -1], uniform[:, -2].argsort()
        return share * values + (1 - share) * values[partners]


def _beta(alpha: float, rng: torch.Generator) -> float:
    """Draw from a beta distribution with both parameters `alpha` <= 1, by Jöhnk's rejection.

    torch's own distribution draws from the global generator.
    """
    while True:
        one, other = (torch.rand(2, generator=rng, dtype=torch.float64) ** (1 / alpha)).tolist()
        if 0 < one + other <= 1:
            return float(one / (one + other))


def _within(start: Tensor, end: Tensor, side: int) -> Tensor:
    places = torch.arange(side, device=start.device)
    return (places >= start) & (places < end)


def _partners(uniform: Tensor) -> Tensor:
    return uniform[:, -5].argsort()
