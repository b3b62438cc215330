"""Pictures of synthetic sets: a row per class, with its name on the left."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_GAP = 2  # pixels between images
_MARGIN = 6  # pixels around names


def plot_set(
    images: Tensor, class_names: Sequence[str], path: Path, *, columns: int = 10, side: int = 64
) -> None:
    """Write a PNG of the first `columns` images of each class to `path`; equal input gives equal bytes.

    images: (classes, n, channels, height, width) in [0, 1], of one or three channels;
    side: about an image's width in pixels, enlarged by a whole factor and nearest neighbour.
    Raises ValueError on another shape, another number of names, or values outside [0, 1].
    """
    _check(images, class_names, columns)
    pixels = (images[:, :columns].detach().cpu() * 255).round().to(torch.uint8)
    factor = max(1, round(side / images.shape[-1]))
    pixels = pixels.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    classes, count, _, height, width = pixels.shape
    font = ImageFont.load_default(size=max(10, min(18, height - 2)))
    left = max(round(font.getlength(name)) for name in class_names) + 2 * _MARGIN
    size = (left + count * (width + _GAP), classes * (height + _GAP) - _GAP)
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    for row, name in enumerate(class_names):
        top = row * (height + _GAP)
        pen.text((left - _MARGIN, top + height // 2), name, fill="black", font=font, anchor="rm")
        for column in range(count):
            canvas.paste(_image(pixels[row, column]), (left + column * (width + _GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, format="PNG")


def _check(images: Tensor, class_names: Sequence[str], columns: int) -> None:
    if images.ndim != 5 or images.shape[2] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images {tuple(images.shape)} must be (classes, n, channels, height, width), of 1 or 3 channels"
        )
    if len(class_names) != len(images):
        raise ValueError(f"{len(class_names)} class names for {len(images)} classes; give one per class")
    if columns < 1:
        raise ValueError(f"columns {columns} must be at least 1")
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"values from {low:.3g} to {high:.3g}: invert the preprocessing, pictures lie in [0, 1]"
        )


def _image(pixels: Tensor) -> Image.Image:
    """Return (channels, height, width) bytes as an RGB image."""
    colours = pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous()
    return Image.frombytes("RGB", (colours.shape[1], colours.shape[0]), bytes(colours.flatten().tolist()))
