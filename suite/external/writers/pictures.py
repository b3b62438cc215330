"""Preprocessed images as pictures of 8 bits, and how far these are from them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from suite.core.data.tasks import restored, to_pixels


@dataclass(frozen=True)
class Difference:
    """Between images and their pictures, preprocessed again, in the unit of the images.

    largest, mean: of its absolute value; spread: the standard deviation of the images.
    """

    largest: float
    mean: float
    spread: float


def as_bytes(images: Tensor, description: Mapping[str, Any]) -> Tensor:
    """Return preprocessed images (…, channels, height, width) as bytes, without their preprocessing."""
    return (to_pixels(images, description) * 255).round().to(torch.uint8)


def difference(images: Tensor, pixels: Tensor, description: Mapping[str, Any]) -> Difference:
    """Return how far pictures (…, channels, height, width) of bytes are from the images."""
    again = restored(description).apply(pixels.flatten(0, -4).float() / 255).view_as(images)
    apart = (again - images).abs()
    return Difference(apart.max().item(), apart.mean().item(), images.std(correction=0).item())


def png(image: Tensor) -> bytes:
    """Return an image (channels, height, width) of bytes, of one or three channels, as PNG."""
    array = image.permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(file, format="PNG")
    return file.getvalue()
