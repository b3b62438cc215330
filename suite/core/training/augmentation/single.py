"""Augmentations of single images: drawn operations, and crops of random size."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from suite.core.training.augmentation.operations import CROP_NUMBERS, OPERATIONS, resized_crop

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
        return laid_out_as(images, changed)


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
        return laid_out_as(images, changed)


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
class ResizedCrop(_Unmixed):
    """A crop of random size and place, enlarged to the image's size; then a flip in half of the cases.

    least: smallest share of the image's area. torchvision's RandomResizedCrop, with sides from 3:4 to 4:3.
    """

    least: float
    mirrors: bool = True

    def sample(self, count: int, rng: torch.Generator) -> AugmentParams:
        """Draw the numbers of a crop, and one for the flip, whatever `least` is."""
        return AugmentParams("resized crop", torch.rand(count, CROP_NUMBERS + 1, generator=rng))

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """Crop, enlarge and flip."""
        own = params.uniform.to(images).expand(len(images), -1)
        found = resized_crop(images, own[:, :-1], self.least)
        return laid_out_as(images, OPERATIONS["flip"](found, own[:, -1:]) if self.mirrors else found)


def laid_out_as(images: Tensor, found: Tensor) -> Tensor:
    """Return `found` in the memory format of `images`; a training step is compiled for each format."""
    last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return found.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
