"""Images as pictures: a folder for each class, and Hugging Face datasets as Arrow or parquet files.

A picture's header is read first; its pixels only if it has the task's size and channels. A picture whose
content decoding would change, such as one with 16 bits or with transparent parts, is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from PIL import Image
from pyarrow import parquet
from torch import Tensor

from suite.external.readers import layouts
from suite.external.validate import Contents, Refused, Wanted

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")  # no EPS, which runs a program
_MODES = {1: ("L", "1"), 3: ("RGB", "P")}
_OPAQUE = {"RGBA": "RGB", "RGB": "RGB", "LA": "L", "L": "L", "1": "L"}
_TURNED = 0x0112  # EXIF's tag of the orientation; 1: as stored
_ROWS = 256


def read_folder(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read a folder of images per class; the folders' names are those of the classes."""
    names = sorted({file.parent.name for file in files})
    if len(names) != wanted.classes:
        raise Refused(
            f"the {len(names)} folders {', '.join(names[:4])}{', …' * (len(names) > 4)} are not those of the "
            f"task's {wanted.classes} classes; name them 0 to {wanted.classes - 1}, or as the classes"
        )
    label = {name: number for number, name in enumerate(names)}
    _check_count(len(files), wanted)
    images = torch.stack([_decode(file, file.name, wanted) for file in files])
    labels = torch.tensor([label[file.parent.name] for file in files])
    return Contents("folder", images, labels, class_names=tuple(names))


def read_arrow(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read what `save_to_disk` wrote."""
    with _opened(files[0]) as stream:
        schema = stream.schema

    def batches() -> Iterator[Any]:
        for file in files:
            with _opened(file) as stream:
                yield from stream

    return _read_rows(batches(), schema, wanted)


def read_parquet(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read parquet files."""
    tables = [parquet.ParquetFile(file) for file in files]
    _check_count(sum(table.metadata.num_rows for table in tables), wanted)
    schema = tables[0].schema_arrow

    def batches() -> Iterator[Any]:
        for table in tables:
            yield from table.iter_batches(_ROWS, use_threads=False)

    return _read_rows(batches(), schema, wanted)


READERS = {"folder": read_folder, "arrow": read_arrow, "parquet": read_parquet}
"""By the kind of file."""


def _opened(file: Path) -> Any:
    return pa.ipc.open_stream(pa.OSFile(str(file)))


def _read_rows(batches: Iterator[Any], schema: Any, wanted: Wanted) -> Contents:
    features = _features(schema)
    image, targets = _columns(schema, features)
    images: list[Tensor] = []
    labels: dict[str, list[Any]] = {name: [] for name in targets}
    for batch in batches:
        _check_count(len(images) + batch.num_rows, wanted, whole=False)
        for picture in batch.column(image):
            images.append(_decode(_bytes(picture.as_py(), image), f"image {len(images)}", wanted))
        for name in targets:
            labels[name] += batch.column(name).to_pylist()
    _check_count(len(images), wanted)
    found, names = dict[str, Tensor](), tuple[str, ...]()
    for name, values in labels.items():
        if all(isinstance(value, str) for value in values):
            found[name], names = layouts.coded(values)
        else:
            found[name] = _numbers(values, name)
            names = names or _names(features, name)
    of_targets, classes = layouts.classes_and_targets(found, "the dataset")
    used = ", ".join(repr(name) for name in (image, *targets))
    notes = () if (image, *targets) == ("image", "label") else (f"the columns {used} are read",)
    return Contents("huggingface", torch.stack(images), of_targets, classes, names, notes=notes)


def _columns(schema: Any, features: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the column of images and those of labels, by their names or else by their kinds."""
    kinds = {name: str(features.get(name, {}).get("_type", "")) for name in schema.names}
    image = layouts.optional(layouts.IMAGES, kinds) or _only("Image", kinds)
    labels = layouts.label_fields(kinds) or list(filter(None, [_only("ClassLabel", kinds)]))
    if image and labels:
        return image, labels
    there = ", ".join(repr(name[:40]) for name in schema.names[:12])
    raise Refused(f"the dataset lacks the column {'label' if image else 'image'!r}; it has {there}")


def _only(kind: str, kinds: Mapping[str, str]) -> str | None:
    found = [name for name, own in kinds.items() if own == kind]
    return found[0] if len(found) == 1 else None


def _features(schema: Any) -> dict[str, Any]:
    """Return what Hugging Face's `datasets` wrote about each column."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: about for name, about in found.items() if isinstance(about, dict)}


def _names(features: Mapping[str, Any], column: str) -> tuple[str, ...]:
    names = features.get(column, {}).get("names")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _check_count(count: int, wanted: Wanted, *, whole: bool = True) -> None:
    if wanted.run:
        raise Refused(f"--run {wanted.run}: the files have one set; leave --run out")
    if count > wanted.count or (whole and count < wanted.count):
        raise Refused(
            f"the set has {count}{' or more' * (not whole)} images; {wanted.classes} classes of {wanted.ipc} "
            f"make {wanted.count}"
        )


def _bytes(cell: object, column: str) -> BytesIO:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise Refused(f"the column {column!r} does not hold the images' bytes; save the dataset with them")
    return BytesIO(content)


def _numbers(labels: Sequence[Any], column: str) -> Tensor:
    try:
        return torch.tensor(labels)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise Refused(
            f"the column {column!r} is neither one number, one name nor one row of targets an image"
        ) from None


def _decode(file: Any, called: str, wanted: Wanted) -> Tensor:
    """Return a picture (channels, height, width) of bytes; Pillow raises errors of many kinds."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            return _pixels(image, called, wanted)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        raise Refused(f"{called} is damaged, or not a picture: {error}") from None


def _pixels(image: Image.Image, called: str, wanted: Wanted) -> Tensor:
    channels, height, width = wanted.shape
    if image.size != (width, height):
        raise Refused(
            f"{called} is {image.size[0]}×{image.size[1]} pixels, the task's images are {width}×{height}"
        )
    if (pages := getattr(image, "n_frames", 1)) > 1:
        raise Refused(f"{called} is animated, or has {pages} pages; save one picture in each file")
    if image.mode.startswith(("I", "F")) or _deep(image):
        raise Refused(f"{called} has more than 8 bits per channel; save it with 8, or the numbers as .pt")
    if (turned := image.getexif().get(_TURNED, 1)) not in (0, 1):
        raise Refused(f"{called} is to be turned when shown (EXIF orientation {turned}); save it turned")
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        if whole.getchannel("A").getextrema()[0] != 255:
            raise Refused(f"{called} has transparent parts; save it on a background, without transparency")
        image = whole.convert("RGB") if image.mode == "P" else image.convert(_OPAQUE[image.mode])
    if image.mode not in _MODES.get(channels, ()):
        raise Refused(f"{called} is of mode {image.mode}, the task's images have {channels} channels")
    pixels = torch.from_numpy(np.array(image.convert("L" if channels == 1 else "RGB")))
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)


def _deep(image: Image.Image) -> bool:
    """Return whether more than 8 bits per channel are stored, which Pillow cuts without a word."""
    for tile in getattr(image, "tile", ()):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(each, str) and ";16" in each for each in args):
            return True
        if image.format == "PPM" and any(isinstance(each, int) and each > 255 for each in args):
            return True
    return False
