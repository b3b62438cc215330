"""Augmentations in two steps: sample parameters from a generator, then apply them to images.

The same parameters can be applied twice, for example to real and synthetic images. Augmentations are
differentiable. Parameters sampled for one image broadcast over a batch.
The file of a plug-in adds augmentations as `AUGMENTATIONS = {"name": MyAugmentation()}`.
Sources: DSA, arXiv 2102.08259; flip-rotate, arXiv 2311.07025; CutMix, arXiv 1905.04899.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from suite.core.names import Table

Size = tuple[int, int]


@dataclass(frozen=True)
class AugmentParams:
    """An operation by name, and uniform numbers (n, k) in [0, 1): a row of parameters for each image."""

    operation: str
    uniform: Tensor


class Augmentation(Protocol):
    """A family of random transformations of images (n, channels, height, width).

    mixes: whether images of a batch, and their targets, are mixed. If not, each image depends only on its row
    of parameters, so that images of several batches can be augmented together.
    """

    mixes: ClassVar[bool]

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the parameters of `count` images; parameters of one image broadcast over a batch."""
        ...

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Return the augmented images, of the same shape."""
        ...

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Return the targets (n, classes) of the augmented images, which are of `size` (height, width)."""
        ...


class _Unmixed:
    """An augmentation of single images."""

    mixes: ClassVar[bool] = False

    def mix(self, targets: Tensor, params: AugmentParams, size: Size) -> Tensor:
        """Return the targets unchanged."""
        return targets


@dataclass(frozen=True)
class OneOf(_Unmixed):
    """One of several operations, drawn for each batch, with separate parameters for each image."""

    operations: tuple[str, ...]

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the operation, then its uniform numbers (count, 3)."""
        index = int(torch.randint(len(self.operations), (), generator=rng))
        return AugmentParams(self.operations[index], torch.rand(count, 3, generator=rng))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Apply the drawn operation."""
        uniform = params.uniform.to(images).expand(len(images), 3)
        return _laid_out_as(images, _OPERATIONS[params.operation](images, uniform))


@dataclass(frozen=True)
class Identity(_Unmixed):
    """No augmentation."""

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw nothing."""
        return AugmentParams("none", torch.zeros(1, 0))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Return the images unchanged."""
        return images


@dataclass(frozen=True)
class CutMix:
    """Apply another augmentation; then, with a probability, mix in a rectangle of another image.

    The rectangle is the same for a batch. Its centre and its share of the area (before it is cut at the
    border) are uniform. The other images are a permutation of the batch. Targets are mixed by area.
    """

    first: OneOf
    probability: float

    mixes: ClassVar[bool] = True

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the parameters of `first`, and five more numbers: (count, 8)."""
        drawn = self.first.sample(count, rng)
        return AugmentParams(
            drawn.operation, torch.cat([drawn.uniform, torch.rand(count, 5, generator=rng)], 1)
        )

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Augment, then fill the rectangle."""
        uniform, size = params.uniform.to(images), (images.shape[2], images.shape[3])
        seen = self.first.apply(images, AugmentParams(params.operation, uniform[:, :3]))
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
        whether, area, *centre = uniform[0, 4:].double().unbind()
        spans = []
        for side, at in zip(size, centre, strict=True):
            middle, half = (at * side).long(), (side * area.sqrt()).long() // 2
            half = torch.where(whether < self.probability, half, 0)
            spans.append(((middle - half).clamp(min=0), (middle + half).clamp(max=side)))
        return spans[0], spans[1]


def _laid_out_as(images: Tensor, found: Tensor) -> Tensor:
    """Return `found` in the memory format of `images`; a training step is compiled for each format."""
    last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return found.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _within(start: Tensor, end: Tensor, side: int) -> Tensor:
    places = torch.arange(side, device=start.device)
    return (places >= start) & (places < end)


def _partners(uniform: Tensor) -> Tensor:
    return uniform[:, 3].argsort()


def apply_each(augment: Augmentation, images: Tensor, params: Sequence[AugmentParams]) -> Tensor:
    """Augment batches (batches, n, …), each by its own parameters; images of one operation are done together.

    augment: one that does not mix images.
    """
    if len(images) == 1:
        return augment.apply(images[0], params[0])[None]
    batches, count, seen = images.unbind(), images.shape[1], dict[int, Tensor]()
    for operation in dict.fromkeys(each.operation for each in params):
        places = [place for place, each in enumerate(params) if each.operation == operation]
        uniform = torch.cat([params[place].uniform.expand(count, -1) for place in places])
        joined = torch.cat([batches[place] for place in places])
        changed = augment.apply(joined, AugmentParams(operation, uniform))
        seen |= dict(zip(places, changed.split(count), strict=True))
    return torch.stack([seen[place] for place in range(len(params))])


def augment_each(
    augment: Augmentation, images: Tensor, targets: Tensor, params: Sequence[AugmentParams]
) -> tuple[Tensor, Tensor]:
    """Augment batches of images (batches, n, …) and of targets (batches, n, …), each by its own parameters.

    targets: probabilities (batches, n, classes) if the augmentation mixes images.
    """
    if not augment.mixes:
        return apply_each(augment, images, params), targets
    size = images.shape[-2], images.shape[-1]
    seen = [augment.apply(batch, own) for batch, own in zip(images, params, strict=True)]
    mixed = [augment.mix(target, own, size) for target, own in zip(targets, params, strict=True)]
    return torch.stack(seen), torch.stack(mixed)


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
    """Change brightness (1), saturation (2) and contrast (0.5), in this order.

    Saturation does not change grey images, in which a pixel equals its mean over channels.
    """
    images = images + _column(uniform[:, 0] - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * _column(uniform[:, 1] * 2) + grey if images.shape[1] > 1 else images
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _column(uniform[:, 2] + 0.5) + mean


def _crop(images: Tensor, uniform: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to `ratio` of each side and fill with zeros."""
    height, width = images.shape[2:]
    down = _integers(uniform[:, 0], int(height * ratio + 0.5))
    right = _integers(uniform[:, 1], int(width * ratio + 0.5))
    rows = torch.arange(height, device=images.device) + down[:, None]
    columns = torch.arange(width, device=images.device) + right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    pixels = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    every = pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, every).view(images.shape) * inside[:, None]


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

_OURS: dict[str, Augmentation] = {
    "none": Identity(),
    "dsa": OneOf(("color", "crop", "cutout", "flip", "scale", "rotate")),
    "flip-rotate": OneOf(("flip", "rotate")),
    "crop-scale-rotate": OneOf(("crop", "scale", "rotate")),
    "color-crop": OneOf(("color", "crop")),
    "color-crop-cutout": OneOf(("color", "crop", "cutout")),
    "color-crop-cutmix": CutMix(OneOf(("color", "crop")), 0.5),
    "dsa-cutmix": CutMix(OneOf(("color", "crop", "flip", "scale", "rotate")), 0.5),
    "flip-cutmix": CutMix(OneOf(("flip",)), 1.0),
}

AUGMENTATIONS: Table[Augmentation] = Table("augmentation", _OURS)


def augmentation(name: str, *, mixing: bool = False) -> Augmentation:
    """Return the augmentation named `name`.

    mixing: whether it may mix images, as CutMix does; then the caller must mix the targets.
    Raises ValueError for an unknown name, or for mixing that is not allowed.
    """
    found = AUGMENTATIONS[name]
    if found.mixes and not mixing:
        raise ValueError(
            f"augmentation {name!r} mixes images and labels; use one without, such as 'dsa',"
            " where only images are augmented"
        )
    return found
