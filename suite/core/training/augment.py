"""Augmentations in two steps: sample parameters from a generator, then apply them to images.

The same parameters can be applied twice, for example to real and synthetic images. Augmentations are
differentiable. Parameters sampled for one image broadcast over a batch.
The file of a plug-in adds augmentations as `AUGMENTATIONS = {"name": MyAugmentation()}`.
A name such as `color+move+cutout` has the parts in their order; `move` is a crop, scale or rotation.
Sources: DSA, arXiv 2102.08259; `+`, IDC, arXiv 2205.14959; flip-rotate, arXiv 2311.07025; crop-scale-rotate,
DC, arXiv 2006.05929; CutMix, arXiv 1905.04899.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from suite.core.data.operations import OPERATIONS
from suite.core.examples import Examples
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
    """One of several operations, drawn for each batch, with separate parameters for each image.

    before, after: operations that every batch has, before and after the drawn one.
    """

    operations: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the operation, then three uniform numbers for each operation: (count, 3 * operations)."""
        index = int(torch.randint(len(self.operations), (), generator=rng))
        numbers = 3 * (len(self.before) + 1 + len(self.after))
        return AugmentParams(self.operations[index], torch.rand(count, numbers, generator=rng))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Apply the operations in their order."""
        own, changed = params.uniform.to(images).expand(len(images), -1).split(3, dim=1), images
        for name, uniform in zip((*self.before, params.operation, *self.after), own, strict=True):
            changed = OPERATIONS[name](changed, uniform)
        return _laid_out_as(images, changed)


@dataclass(frozen=True)
class EachOneOf(_Unmixed):
    """One of several operations, drawn for each image."""

    operations: tuple[str, ...]

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the number that chooses the operation, then its uniform numbers: (count, 4)."""
        return AugmentParams("", torch.rand(count, 4, generator=rng))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Apply each image's operation."""
        choice, uniform = params.uniform.to(images).expand(len(images), -1).split([1, 3], dim=1)
        drawn, changed = (choice * len(self.operations)).floor()[..., None, None], images
        for number, name in enumerate(self.operations):
            changed = torch.where(drawn == number, OPERATIONS[name](images, uniform), changed)
        return _laid_out_as(images, changed)


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


def _laid_out_as(images: Tensor, found: Tensor) -> Tensor:
    """Return `found` in the memory format of `images`; a training step is compiled for each format."""
    last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return found.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _within(start: Tensor, end: Tensor, side: int) -> Tensor:
    places = torch.arange(side, device=start.device)
    return (places >= start) & (places < end)


def _partners(uniform: Tensor) -> Tensor:
    return uniform[:, -5].argsort()


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


_MOVES = ("crop", "scale", "rotate")  # of which IDC draws one
_DSA = ("color", "crop", "cutout", "flip", "scale", "rotate")
_FREPO = tuple(f"frepo-{name}" for name in ("color", "crop", "rotate", "translate", "cutout"))

_OURS: dict[str, Augmentation] = {
    "none": Identity(),
    "dsa": OneOf(_DSA),
    "dsa-unmirrored": OneOf(tuple(name for name in _DSA if name != "flip")),
    "flip-rotate": OneOf(("flip", "rotate")),
    "frepo": OneOf(("flip", *_FREPO)),
    "frepo-unmirrored": OneOf(_FREPO),
    "crop-scale-rotate": EachOneOf(("dc-crop", "dc-scale", "dc-rotate")),
    "color+crop": OneOf(("crop",), before=("color",)),
    "color+crop+cutout": OneOf(("crop",), before=("color",), after=("cutout",)),
    "color+crop+cutmix": CutMix(OneOf(("crop",), before=("color",)), 0.5),
    "color+move": OneOf(_MOVES, before=("color",)),
    "color+move+cutout": OneOf(_MOVES, before=("color",), after=("cutout",)),
    "color+move+cutmix": CutMix(OneOf(_MOVES, before=("color",)), 0.5),
    "flip+color+move+cutmix": CutMix(OneOf(_MOVES, before=("flip", "color")), 0.5),
    "flip-cutmix": CutMix(OneOf(("flip",)), 1.0),
    "cutmix": CutMix(OneOf(("none",)), 1.0),
}

AUGMENTATIONS: Table[Augmentation] = Table("augmentation", _OURS)

_UNMIRRORED = {
    "dsa": "dsa-unmirrored",
    "frepo": "frepo-unmirrored",
    "flip+color+move+cutmix": "color+move+cutmix",
    "flip-cutmix": "cutmix",
}
"""Augmentations with a flip -> those without. flip-rotate has none: its authors flip digits as well."""


def augment_for(name: str, train: Examples) -> str:
    """Return the augmentation `name`, or the one without flips if mirrored images may change their class."""
    return name if train.mirrored else _UNMIRRORED.get(name, name)


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
