"""Images as pictures: a folder for each class, and Hugging Face datasets as Arrow or parquet files.

A picture's header is read first; its pixels only if it has the task's size and channels. A picture whose
content decoding would change, such as one with 16 bits or with transparent pixels, is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa  # type: ignore[import-untyped]
import torch
from pyarrow import parquet
from torch import Tensor

from suite.core.data.found import Notes
from suite.core.data.reading.decoding import GREY, Decoding, Undecodable, decode, opened
from suite.external.readers import layouts
from suite.external.validate import Contents, Refused, Wanted

_MODES = {1: GREY, 3: ("RGB", "RGBA", "P", "PA")}
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
    notes = Notes()
    images = torch.stack([_decode(file, file.name, wanted, notes) for file in files])
    labels = torch.tensor([label[file.parent.name] for file in files])
    return Contents("folder", images, labels, class_names=tuple(names), notes=notes.lines())


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
    _check_count(sum(parquet.read_metadata(file).num_rows for file in files), wanted)

    def batches() -> Iterator[Any]:
        for file in files:
            # The reading process may start no threads.
            with parquet.ParquetFile(file, pre_buffer=False) as table:
                yield from table.iter_batches(_ROWS, use_threads=False)

    return _read_rows(batches(), parquet.read_schema(files[0]), wanted)


READERS = {"folder": read_folder, "arrow": read_arrow, "parquet": read_parquet}
"""By the kind of file."""


def _opened(file: Path) -> Any:
    return pa.ipc.open_stream(pa.OSFile(str(file)))


def _read_rows(batches: Iterator[Any], schema: Any, wanted: Wanted) -> Contents:
    features = _features(schema)
    image, targets = _columns(schema, features)
    notes, images = Notes(), list[Tensor]()
    labels: dict[str, list[Any]] = {name: [] for name in targets}
    for batch in batches:
        _check_count(len(images) + batch.num_rows, wanted, whole=False)
        for picture in batch.column(image):
            images.append(_decode(_bytes(picture.as_py(), image), f"image {len(images)}", wanted, notes))
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
    usual = (image, *targets) == ("image", "label")
    said = (*(() if usual else (f"the columns {used} are read",)), *notes.lines())
    return Contents("huggingface", torch.stack(images), of_targets, classes, names, notes=said)


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
    return layouts.class_names({"names": features.get(column, {}).get("names")})


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


def _decode(file: Any, called: str, wanted: Wanted, notes: Notes) -> Tensor:
    """Return a picture (channels, height, width) of bytes, opened only in the size of the task's."""
    channels, height, width = wanted.shape
    try:
        with opened(file, called) as image:
            if {*image.size} != {width, height}:  # a picture may be turned
                _refuse_size(called, image.size, wanted)
            if image.mode not in _MODES[channels]:
                raise Refused(f"{called} is of mode {image.mode}, the task's images have {channels} channels")
            if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255:
                raise Refused(f"{called} has transparent pixels; save it on a background, or opaque")
        pixels = decode(file, called, Decoding(channels), notes)
    except (Refused, MemoryError):
        raise
    except Undecodable as error:
        raise Refused(str(error)) from None
    except Exception as error:  # Pillow raises errors of many kinds
        raise Refused(f"{called} is damaged: {error}") from None
    if pixels.shape != wanted.shape:
        _refuse_size(called, (pixels.shape[2], pixels.shape[1]), wanted)
    return pixels


def _refuse_size(called: str, size: tuple[int, int], wanted: Wanted) -> NoReturn:
    _, height, width = wanted.shape
    raise Refused(f"{called} is {size[0]}×{size[1]} pixels, the task's images are {width}×{height}")
