"""Decode pictures to unsigned bytes: each change of their content is noted, each error names the picture.

Pillow decodes. Metadata that say how a picture is shown are obeyed (orientation), except colour profiles
and gamma, which are noted and not applied, as elsewhere in the field.
"""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from suite.core.data.found import Notes

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM")
"""Formats that are read, by Pillow's names; others are refused, among them those that run programs."""

_JPEG = (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".pjpeg", ".pjp", ".mpo")
_PLAIN = (".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
PICTURES = frozenset((*_JPEG, *_PLAIN, ".png", ".apng", ".webp", ".gif"))
"""Endings of image files in these formats, in lower case."""

GREY = ("1", "L", "LA", "La")
"""Pillow's modes without colour."""

_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 277, 339  # tags of TIFF
_ORIENTATION = 0x0112  # tag of EXIF
_LIMIT = 2 * 89_478_485  # pixels; Pillow's own limit


class Undecodable(ValueError):
    """A picture cannot be decoded, or only with a loss; the message names it."""


logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs of damage is in its errors, too


@dataclass(frozen=True)
class Decoding:
    """How pictures are decoded.

    channels: 1 or 3; size: side of the square to which they are resized, None to keep theirs;
    background: RGB bytes shown through transparent pixels, None to refuse those.
    """

    channels: int
    size: int | None = None
    background: tuple[int, int, int] | None = None


def decode_all(
    pictures: Iterable[tuple[Any, Any]],
    count: int,
    how: Decoding,
    notes: Notes,
    room: Callable[[tuple[int, ...]], Tensor],
) -> Tensor:
    """Decode pictures, given with their names in messages, to (count, channels, height, width) uint8.

    room: returns a tensor of this shape. Raises Undecodable, a ValueError.
    """
    images, first = torch.empty(0), ""
    for index, (file, called) in enumerate(pictures):
        pixels = decode(file, called, how, notes)
        if index == 0:
            images, first = room((count, *pixels.shape)), str(called)
        if pixels.shape != images.shape[1:]:
            sizes = [f"{shape[-1]}×{shape[-2]}" for shape in (images.shape, pixels.shape)]
            raise Undecodable(
                f"{first} is {sizes[0]} and {called} is {sizes[1]}, upright: images must share one size"
            )
        images[index] = pixels
    return images


def decode(file: Any, called: Any, how: Decoding, notes: Notes) -> Tensor:
    """Return (channels, height, width) uint8 of a path or an open file, noting what is changed."""
    with opened(file, called) as image, _naming(called, "is damaged"):
        # Pillow turns TIFF itself when it decodes, and decodes a PNG to look for EXIF data behind its pixels.
        turned = image.tag_v2.get(_ORIENTATION, 1) if image.format == "TIFF" else 1  # type: ignore[attr-defined]
        image.load()
        if image.format == "PNG":  # Pillow checks no sum of the pixels when it decodes
            with Image.open(file, formats=("PNG",)) as again:
                again.verify()
        orientation = max(turned, _orientation(image, called, notes))
        if image.info.get("icc_profile") or not 0.45 < image.info.get("gamma", 1 / 2.2) < 0.46:  # sRGB's
            notes.add("with a colour profile, which is not applied", called)
        if image.format == "MPO":
            notes.add("with further pictures in one file (MPO), of which the first is read", called)
        picture = _oriented(image, orientation, called, notes)
        picture = _opaque(picture, called, how, notes)
        picture = _in_channels(picture, called, how.channels, notes)
        if how.size is not None and picture.size != (how.size, how.size):
            side = f"{how.size}×{how.size}"
            notes.add(f"resized to {side}: shorter side, bilinear; centre cut", called, size=picture.size)
            picture = _crop(picture, how.size, called)
        pixels = torch.from_numpy(np.array(picture))
    return pixels.unsqueeze(0) if how.channels == 1 else pixels.permute(2, 0, 1)


def survey(pictures: Iterable[tuple[Any, Any]], how: Decoding) -> tuple[int, int, int]:
    """Return (channels, height, width) from the headers of pictures, given with their names in messages.

    One channel, whatever `how` says, if all are grey. Where `how` names a size, pictures are read until one
    has colour. Raises Undecodable, and ValueError if sizes differ and `how` names none.
    """
    grey, first = True, ((0, 0), "")
    for index, (file, called) in enumerate(pictures):
        with opened(file, called) as image, _naming(called, "is damaged"):
            size, grey = _size(image, called), grey and _grey(image, how)
        if how.size and not grey:
            break
        first = first if index else (size, str(called))
        if how.size is None and size != first[0]:
            one, other = (f"{width}×{height}" for width, height in (first[0], size))
            raise ValueError(
                f"{first[1]} is {one} and {called} is {other}: images must share one size; "
                "append ?size=32 (say) to the task to resize them"
            )
    width, height = (how.size, how.size) if how.size else first[0]
    return (1 if grey else 3), height, width


def _size(image: Image.Image, called: Any) -> tuple[int, int]:
    """Return (width, height) of a picture when it is turned upright."""
    # Of TIFF this is the size already; a PNG is not decoded to look for EXIF data behind its pixels.
    seen = image.format != "PNG" or {"exif", "Raw profile type exif", "XML:com.adobe.xmp"} & set(image.info)
    turned = image.format != "TIFF" and seen and _orientation(image, called, Notes()) >= 5
    return image.size[::-1] if turned else image.size


@contextmanager
def opened(file: Any, called: Any) -> Iterator[Image.Image]:
    """Open a picture; raises Undecodable if it is none, is several, or would lose content when decoded."""
    if isinstance(file, Path) and not file.is_file():  # a pipe would never end
        raise Undecodable(f"{called} cannot be read as an image: it is not a file")
    with _naming(called, "cannot be read as an image"):
        image = Image.open(file, formats=FORMATS)
    with image:
        with _naming(called, "is damaged"):
            _refuse_lossy(image, called)
            _scale_transparent(image)
        yield image


def _refuse_lossy(image: Image.Image, called: Any) -> None:
    if _deep(image):
        raise Undecodable(f"{called} has more than 8 bits per channel (mode {image.mode}); convert it to 8")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise Undecodable(f"{called} holds {getattr(image, 'n_frames', 2)} pictures; keep one of them")
    if image.format == "PPM" and _continued(image):
        raise Undecodable(f"{called} holds several pictures; keep one of them")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        if set(tags.get(_SAMPLE_FORMAT, (1,))) - {1, 4}:
            raise Undecodable(f"{called} holds signed or floating-point values; convert it to unsigned bytes")
        if (samples := tags.get(_SAMPLES_PER_PIXEL, 1)) > len(image.getbands()):
            raise Undecodable(
                f"{called} has {samples} channels, which are more than {image.mode}; remove the rest"
            )
    if image.format in ("BMP", "DIB") and _fourth(image):
        raise Undecodable(f"{called} has a fourth channel, which may be transparency; save it as PNG")
    if image.mode == "LAB":
        raise Undecodable(f"{called} has its colours in LAB; convert it to RGB")


def _deep(image: Image.Image) -> bool:
    """Return whether a picture has more than 8 bits per channel, of which Pillow may keep 8."""
    if image.mode.startswith(("I", "F")):
        return True
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8  # type: ignore[attr-defined, no-any-return]
    tiles = getattr(image, "tile", [])
    if image.format == "PNG":
        return any(";16" in str(tile.args) for tile in tiles)
    highest = [tile.args[-1] for tile in tiles if isinstance(tile.args, tuple)]
    return image.format == "PPM" and max(highest, default=0) > 255


def _continued(image: Image.Image) -> bool:
    """Return whether another picture follows in a PBM, PGM or PPM file, of which Pillow reads the first."""
    file, tile = image.fp, image.tile[0]  # type: ignore[attr-defined]
    file.seek(tile.offset)
    if tile.codec_name == "ppm_plain":
        return b"P" in re.sub(rb"#[^\r\n]*", b"", file.read())
    row = (image.width + 7) // 8 if image.mode == "1" else image.width * len(image.getbands())
    file.seek(row * image.height, os.SEEK_CUR)
    return re.match(rb"\s*P[1-7fy]", file.read(64)) is not None


def _fourth(image: Image.Image) -> bool:
    """Return whether the bytes between the pixels of a BMP, which Pillow drops, differ."""
    file, tile = image.fp, image.tile[0]  # type: ignore[attr-defined]
    unused = str(tile.args[0]).find("X")
    file.seek(tile.offset)
    return unused >= 0 and len(set(file.read(4 * image.width * image.height)[unused::4])) > 1


def _scale_transparent(image: Image.Image) -> None:
    """Scale the grey that a PNG of 2 or 4 bits calls transparent as its pixels are, which Pillow does not."""
    grey = image.info.get("transparency")
    if image.format != "PNG" or image.mode != "L" or not isinstance(grey, int):
        return
    layout = str(image.tile[0].args)  # type: ignore[attr-defined]
    most = next((most for mark, most in (("L;2", 3), ("L;4", 15)) if mark in layout), 255)
    image.info["transparency"] = (grey & most) * 255 // most


def _orientation(image: Image.Image, called: Any, notes: Notes) -> int:
    """Return the orientation in EXIF or XMP, 1 for upright."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        notes.add("with damaged EXIF data, taken as upright", called)
        return 1


def _oriented(image: Image.Image, orientation: int, called: Any, notes: Notes) -> Image.Image:
    if not 2 <= orientation <= 8:
        return image
    notes.add("turned upright by EXIF orientation", called)
    return ImageOps.exif_transpose(image)  # which leaves TIFF alone


def _grey(image: Image.Image, how: Decoding) -> bool:
    """Return whether a picture has no colour, nor gets one from the background."""
    coloured = how.background is not None and len(set(how.background)) > 1
    return image.mode in GREY and not (coloured and image.has_transparency_data)


def _opaque(image: Image.Image, called: Any, how: Decoding, notes: Notes) -> Image.Image:
    """Lay a picture with transparent pixels on the background."""
    if not image.has_transparency_data:
        return image
    layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if layers.getchannel("A").getextrema() != (255, 255):
        if how.background is None:
            raise Undecodable(
                f"{called} has transparent pixels; append ?background=white or ?background=black (say) to "
                "the task to say what is behind them, or make it opaque"
            )
        notes.add(f"with transparent pixels laid on #{bytes(how.background).hex()}", called)
        layers = Image.alpha_composite(Image.new("RGBA", layers.size, (*how.background, 255)), layers)
    return layers.convert("L" if _grey(image, how) else "RGB")


def _in_channels(image: Image.Image, called: Any, channels: int, notes: Notes) -> Image.Image:
    grey = image.mode in GREY
    if channels == 1 and not grey:
        notes.add("in colour, turned to grey", called)
    elif channels == 3 and grey:
        notes.add("in grey, given three equal channels", called)
    if image.mode not in (*GREY, "RGB", "P"):
        notes.add(f"in {image.mode}, converted to RGB", called)
    return image.convert("L" if channels == 1 else "RGB")


def _crop(picture: Image.Image, size: int, called: Any) -> Image.Image:
    """Resize the shorter side to `size` (bilinear, antialiased) and cut the centre."""
    width, height = picture.size
    scale = size / min(width, height)
    new = max(size, round(width * scale)), max(size, round(height * scale))
    if new[0] * new[1] > _LIMIT:
        raise Undecodable(f"{called} is {width}×{height}, too narrow to be cut to a square of {size}")
    resized = picture.resize(new, Image.Resampling.BILINEAR)
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    return resized.crop((left, top, left + size, top + size))


@contextmanager
def _naming(called: Any, trouble: str) -> Iterator[None]:
    """Turn any error of a decoder into one sentence with the picture's name.

    On damaged files Pillow raises errors of many kinds, depending on the byte.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Undecodable:
        raise
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise Undecodable(f"{called} cannot be read as an image: it is none of {known}") from None
    except Image.DecompressionBombError:
        raise Undecodable(
            f"{called} has more than {_LIMIT // 10**6} megapixels, which is the limit; make it smaller"
        ) from None
    except Exception as error:
        said = " ".join(str(error).split()) if error.args else type(error).__name__
        raise Undecodable(f"{called} {trouble}: {said}") from error
