"""Augmentations in two steps: sample parameters from a generator, then apply them.

Parameters can be applied twice (the same on real and synthetic images), to one image or all, and
gradients flow through. Drawn for one (`Draw` of size 1), it broadcasts over a batch.
Sources: DSA, arXiv 2102.08259; flip-rotate, arXiv 2311.07025; CutMix, arXiv 1905.04899.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from suite.core.names import Table

Size = tuple[int, int]


@dataclass(frozen=True)
class AugmentParams:
    """One drawn operation: its name and the uniform numbers (n, k) in [0, 1) that steer it."""

    operation: str
    uniform: Tensor


class Augmentation(Protocol):
    """A family of random transformations of images (n, channels, height, width)."""

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw parameters for `count` images; 1 means the same for a whole batch."""
        ...

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Apply them to images (n, channels, height, width)."""
        ...

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Return what targets (n, classes) become where images are mixed of `size`."""
        ...


@dataclass(frozen=True)
class OneOf:
    """One of several operations, drawn anew for each batch, its parameters per image."""

    operations: tuple[str, ...]

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the operation, then its uniform numbers (count, 3)."""
        index = int(torch.randint(len(self.operations), (), generator=rng))
        return AugmentParams(self.operations[index], torch.rand(count, 3, generator=rng))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Apply the drawn operation."""
        uniform = params.uniform.to(images)
        return _OPERATIONS[params.operation](images, uniform.expand(len(images), 3))

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Return the targets as they are."""
        return targets


@dataclass(frozen=True)
class Identity:
    """No augmentation."""

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw nothing."""
        return AugmentParams("none", torch.zeros(1, 0))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Return the images as they are."""
        return images

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Return the targets as they are."""
        return targets


@dataclass(frozen=True)
class CutMix:
    """After another augmentation, with a probability, one rectangle of every image is another image's.

    The rectangle is the same for a batch: its share of the area is uniform before the border cuts it, its
    centre is uniform. Whose it is: a permutation of the batch. Targets are mixed by area.
    """

    first: OneOf
    probability: float

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw what `first` draws, and five more numbers: (count, 8)."""
        drawn = self.first.sample(count, rng)
        return AugmentParams(
            drawn.operation, torch.cat([drawn.uniform, torch.rand(count, 5, generator=rng)], 1)
        )

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Augment, then fill the rectangle."""
        seen = self.first.apply(images, AugmentParams(params.operation, params.uniform[:, :3]))
        (top, bottom), (left, right) = self._rectangle(params, (images.shape[2], images.shape[3]))
        mixed = seen.clone()
        mixed[:, :, top:bottom, left:right] = seen[_partners(params, seen), :, top:bottom, left:right]
        return mixed

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Mix the targets by the rectangle's share of the area."""
        (top, bottom), (left, right) = self._rectangle(params, size)
        share = (bottom - top) * (right - left) / (size[0] * size[1])
        return (1 - share) * targets + share * targets[_partners(params, targets)]

    def _rectangle(self, params: AugmentParams, size: Size) -> tuple[Size, Size]:
        """Return the rows and columns at which it starts and ends; an empty one where nothing is mixed."""
        whether, area, *centre = params.uniform[0, 4:].tolist()
        if whether >= self.probability:
            return (0, 0), (0, 0)
        spans = []
        for side, place in zip(size, centre, strict=True):
            middle, half = int(place * side), int(side * math.sqrt(area)) // 2
            spans.append((max(0, middle - half), min(side, middle + half)))
        return spans[0], spans[1]


def _partners(params: AugmentParams, like: Tensor) -> Tensor:
    return params.uniform[:, 3].argsort().to(like.device)


def _affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Resample with (n, 2, 3) matrices; zeros outside."""
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    zero = torch.zeros_like(a)
    return torch.stack([torch.stack([a, b, zero], 1), torch.stack([c, d, zero], 1)], 1)


def _rotate(images: Tensor, uniform: Tensor, degrees: float = 15.0) -> Tensor:
    angle = (uniform[:, 0] * 2 - 1) * math.radians(degrees)
    cos, sin = angle.cos(), angle.sin()
    return _affine(images, _matrix(cos, -sin, sin, cos))


def _scale(images: Tensor, uniform: Tensor, ratio: float = 1.2) -> Tensor:
    factors = uniform[:, :2] * (ratio - 1 / ratio) + 1 / ratio
    zero = torch.zeros_like(factors[:, 0])
    return _affine(images, _matrix(factors[:, 0], zero, zero, factors[:, 1]))


def _flip(images: Tensor, uniform: Tensor) -> Tensor:
    return torch.where(_column(uniform[:, 0] < 0.5), images.flip(3), images)


def _color(images: Tensor, uniform: Tensor) -> Tensor:
    """Brightness 1, saturation 2, contrast .5, one after the other.

    With one channel saturation does nothing: a pixel is its own mean over channels.
    """
    images = images + _column(uniform[:, 0] - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * _column(uniform[:, 1] * 2) + grey if images.shape[1] > 1 else images
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _column(uniform[:, 2] + 0.5) + mean


def _crop(images: Tensor, uniform: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to `ratio` of each side, zeros coming in."""
    height, width = images.shape[2:]
    down = _integers(uniform[:, 0], int(height * ratio + 0.5))
    right = _integers(uniform[:, 1], int(width * ratio + 0.5))
    rows = torch.arange(height, device=images.device) + down[:, None]
    columns = torch.arange(width, device=images.device) + right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    each = torch.arange(len(images), device=images.device)[:, None, None]
    shifted = images.permute(0, 2, 3, 1)[
        each, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    return shifted.permute(0, 3, 1, 2) * inside[:, None]


def _cutout(images: Tensor, uniform: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank a rectangle of `ratio` of each side around a uniform centre, cut at the border."""
    keep = torch.ones(len(images), *images.shape[2:], dtype=torch.bool, device=images.device)
    for axis, side in enumerate(images.shape[2:]):
        hole = int(side * ratio + 0.5)
        first = (uniform[:, axis] * (side + 1 - hole % 2)).floor() - hole // 2
        offset = torch.arange(side, device=images.device) - first[:, None]
        inside = (offset >= 0) & (offset < hole)
        keep = keep & (inside[:, :, None] if axis == 0 else inside[:, None, :])
    return images * ~keep[:, None]


def _integers(uniform: Tensor, limit: int) -> Tensor:
    """Map uniforms to integers in [-limit, limit]."""
    return (uniform * (2 * limit + 1)).floor().long() - limit


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}

AUGMENTATIONS: Table[Augmentation] = Table(
    "augmentation",
    {
        "none": Identity(),
        "dsa": OneOf(("color", "crop", "cutout", "flip", "scale", "rotate")),
        "flip-rotate": OneOf(("flip", "rotate")),
        "crop-scale-rotate": OneOf(("crop", "scale", "rotate")),
        "color-crop": OneOf(("color", "crop")),
        "color-crop-cutout": OneOf(("color", "crop", "cutout")),
        "color-crop-cutmix": CutMix(OneOf(("color", "crop")), 0.5),
        "dsa-cutmix": CutMix(OneOf(("color", "crop", "flip", "scale", "rotate")), 0.5),
        "flip-cutmix": CutMix(OneOf(("flip",)), 1.0),
    },
)


def augmentation(name: str, *, mixing: bool = False) -> Augmentation:
    """Return the augmentation called `name`; raises ValueError naming the nearest known one.

    mixing: whether it may mix images, as CutMix does: then who trains on them must mix the targets.
    """
    known = {key: value for key, value in AUGMENTATIONS.items() if mixing or not isinstance(value, CutMix)}
    if name in known:
        return known[name]
    if name in AUGMENTATIONS:
        raise ValueError(f"augmentation {name!r} mixes images and labels, which only training on labels can")
    near = get_close_matches(name, known, n=1, cutoff=0)
    raise ValueError(f"unknown augmentation {name!r}; did you mean {near[0]!r}? known: {', '.join(known)}")
