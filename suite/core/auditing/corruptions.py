"""Common corruptions of images in [0, 1], in five severities (Hendrycks & Dietterich, arXiv 1903.12261).

The levels are those of the paper's CIFAR-10-C (32x32 images). The width of a blur scales with the smaller
side; the level of pixelate is a share of the side. Blur uses SciPy; pixelate and JPEG use Pillow on bytes, as
in the paper's code. Images are (n, channels, height, width) with one or three channels.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from suite.core.names import did_you_mean
from suite.core.seeding import generator

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A family of corruptions.

    levels: for severities 1 to 5; act: (images, level, rng) -> images. Noise depends on the name, the
    severity and the batch, not on a seed.
    """

    name: str
    levels: tuple[float, float, float, float, float]
    act: Callable[[Tensor, float, torch.Generator], Tensor]

    def apply(self, images: Tensor, severity: int, batch: int = 0) -> Tensor:
        """Return the corrupted images of the `batch`-th batch of a split."""
        stream = generator(0, "corruption", self.name, severity, batch)
        return self.act(images, self.levels[severity - 1], stream).clamp(0, 1)


def _noise(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    return images + level * torch.randn(images.shape, generator=rng).to(images)


def _blur(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    sigma = level * min(images.shape[2:]) / 32
    blurred = gaussian_filter(images.cpu().numpy(), (0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(blurred).to(images)


def _contrast(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * level + mean


def _brightness(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    """Increase the value in HSV; hue and saturation stay, and black becomes grey."""
    value = images.amax(1, keepdim=True)
    raised = (value + level).clamp(max=1)
    return torch.where(value > 0, images * (raised / value), raised)


def _pixelate(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    def act(picture: Image.Image) -> Image.Image:
        small = max(1, int(picture.width * level)), max(1, int(picture.height * level))
        return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)

    return _each(images, act)


def _jpeg(images: Tensor, level: float, rng: torch.Generator) -> Tensor:
    def act(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(level))
        return Image.open(file)

    return _each(images, act)


def _each(images: Tensor, act: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Apply a function of Pillow to each image, as bytes."""
    pixels = (images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()
    pixels = pixels[..., 0] if images.shape[1] == 1 else pixels
    found = torch.from_numpy(np.stack([np.asarray(act(Image.fromarray(each))) for each in pixels]))
    return found.view(len(images), *images.shape[2:], -1).permute(0, 3, 1, 2).to(images) / 255


CORRUPTIONS = {
    each.name: each
    for each in (
        Corruption("noise", (0.04, 0.06, 0.08, 0.09, 0.10), _noise),
        Corruption("blur", (0.4, 0.6, 0.7, 0.8, 1.0), _blur),
        Corruption("contrast", (0.75, 0.5, 0.4, 0.3, 0.15), _contrast),
        Corruption("brightness", (0.05, 0.1, 0.15, 0.2, 0.3), _brightness),
        Corruption("pixelate", (0.95, 0.9, 0.85, 0.75, 0.65), _pixelate),
        Corruption("jpeg", (80, 65, 58, 50, 40), _jpeg),
    )
}


def corruption(name: str) -> Corruption:
    """Return the corruption named `name`; raises ValueError for an unknown name."""
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}; {did_you_mean(name, CORRUPTIONS)}")
    return CORRUPTIONS[name]
