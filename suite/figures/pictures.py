"""Pictures of synthetic sets and of samples: a row per class, with its name on the left."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from suite.board.render import style
from suite.core.data.reading.download import nothing_fetched
from suite.core.data.tasks import to_pixels
from suite.core.files.atomic_write import write_output
from suite.core.spec import Task

_GAP = 2  # pixels between images
_MARGIN = 6  # pixels around names
_LETTERS = 40  # of a name; the rest is cut
_ROWS = 25  # of samples in a column
_TAIL = 0.5  # percent of values that may be darker than black, or brighter than white
_NEAR = 0.1  # how far the darkest and the brightest may be from those of real images without a stretch
_FLAT = 1e-3  # contrast that is not stretched, since it would show noise


def plot_set(
    images: Tensor,
    class_names: Sequence[str],
    path: Path,
    *,
    columns: int = 10,
    side: int = 64,
    rows: int | None = None,
    title: str = "",
) -> None:
    """Write a PNG of the first `columns` images of each class to `path`; equal input gives equal bytes.

    images: (classes, n, channels, height, width) in [0, 1], of one or three channels;
    side: about an image's width in pixels, enlarged by a whole factor and nearest neighbour;
    rows: classes below each other, before the next ones follow at the right; None for all.
    title: what is above them, if anything. A name that the font cannot write stands as the number of its
    class.
    Raises ValueError on another shape, another number of names, or values outside [0, 1].
    """
    _check(images, class_names, columns)
    pixels = (images[:, :columns].detach().cpu() * 255).round().to(torch.uint8)
    factor = max(1, round(side / images.shape[-1]))
    pixels = pixels.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    classes, count, _, height, width = pixels.shape
    rows = min(rows or classes, classes)
    font = ImageFont.truetype(
        style.font_file(), max(10, min(18, height - 2)), layout_engine=ImageFont.Layout.BASIC
    )
    names = [_written(name, label) for label, name in enumerate(class_names)]
    left = max(round(font.getlength(name)) for name in names) + 2 * _MARGIN
    wide = left + count * (width + _GAP)
    above = _titled(title, wide * -(-classes // rows))
    head = (above.height + _GAP) if above else 0
    across = max(wide * -(-classes // rows), above.width if above else 0)
    canvas = Image.new("RGB", (across, head + rows * (height + _GAP) - _GAP), "white")
    if above:
        canvas.paste(above, (0, 0))
    pen = ImageDraw.Draw(canvas)
    for label, name in enumerate(names):
        block, row = divmod(label, rows)
        start, top = block * wide + left, head + row * (height + _GAP)
        pen.text((start - _MARGIN, top + height // 2), name, fill="black", font=font, anchor="rm")
        for column in range(count):
            canvas.paste(_image(pixels[label, column]), (start + column * (width + _GAP), top))
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    write_output(path, buffer.getvalue())


def plot_samples(task: Task, path: Path) -> None:
    """Write a PNG of the first training image of each class to `path`, with the preprocessing undone."""
    first = torch.stack([rows[0] for rows in task.train.rows_by_class()])
    pixels = task.preprocessing.invert(task.train.take(first).images)
    plot_set(pixels.unsqueeze(1), task.class_names, path, rows=_ROWS)


def stretched(images: Tensor, described: Mapping[str, Any]) -> tuple[Tensor, str]:
    """Return a set's images in [0, 1] for a picture, and what was done to their contrast.

    Learned values often lie outside the range of real images, or in a small part of it. The darkest and the
    brightest of them are then black and white, without the last half percent at each end.
    images: (classes, n, channels, height, width), preprocessed; described: their preprocessing, as a manifest
    has it.
    """
    if described["kind"] != "normalise":  # whitened: the original brightness is lost
        with nothing_fetched():
            kind = (
                "stretched image by image" if described["kind"] == "zca" else "that of real images, clipped"
            )
            return to_pixels(images, described), f"The whitening is undone; contrast is {kind}."
    mean, std = (torch.tensor(described[each]).view(-1, 1, 1) for each in ("mean", "std"))
    values = images * std + mean
    low, high = (float(each) for each in np.percentile(values.numpy(), [_TAIL, 100 - _TAIL]))
    if (abs(low) < _NEAR and abs(high - 1) < _NEAR) or high - low < _FLAT:
        return values.clamp(0, 1), "Brightness and contrast are those of real images."
    note = f"Contrast is stretched: black is {low:.2f} and white {high:.2f}; real images lie from 0 to 1."
    return ((values - low) / (high - low)).clamp(0, 1), note.replace("-", "−")


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


def _written(name: str, label: int) -> str:
    """Return a class's name, shortened, or its label if a letter of the name is not in the font."""
    if not style.drawable().issuperset(name):
        return str(label)
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _titled(title: str, width: int) -> Image.Image | None:
    """Return a picture of a title, in lines of about `width` pixels or a little more; None without one."""
    if not title:
        return None
    size = 14
    font = ImageFont.truetype(style.font_file(), size, layout_engine=ImageFont.Layout.BASIC)
    text = "\n".join(textwrap.wrap(style.plain(title, 300), max(24, round(width / (0.56 * size)))))
    right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)[2:]
    made = Image.new("RGB", (round(right) + 2 * _MARGIN, round(bottom) + _MARGIN), "white")
    ImageDraw.Draw(made).multiline_text((_MARGIN, 2), text, fill="black", font=font)
    return made


def _image(pixels: Tensor) -> Image.Image:
    """Return (channels, height, width) bytes as an RGB image."""
    return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())
