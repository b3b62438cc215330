"""Images as pictures: a folder for each class, and Hugging Face datasets as Arrow or parquet files.

A picture's header is read first; its pixels only if it has the task's size and channels.
"""

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from PIL import Image
from pyarrow import parquet
from torch import Tensor

from suite.external.validate import Contents, Refused, Wanted, labels_of

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")  # no EPS, which runs a program
_MODES = {1: ("L", "1"), 3: ("RGB", "P")}
_ROWS = 256


def read_folder(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read a folder of images per class, named by the class or its number; raises Refused for others."""
    names = sorted({file.parent.name for file in files})
    labels = labels_of(names, wanted)
    if labels is None:
        raise Refused(
            f"the {len(names)} folders {', '.join(names[:4])}{', …' * (len(names) > 4)} are not those of the "
            f"task's {wanted.classes} classes; name them 0 to {wanted.classes - 1}, or as the classes"
        )
    label = dict(zip(names, labels, strict=True))
    _check_count(len(files), wanted)
    images = torch.stack([_decode(file, file.name, wanted) for file in files])
    return Contents("folder", images, torch.tensor([label[file.parent.name] for file in files]))


def read_arrow(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read what `save_to_disk` wrote: columns `image` and `label`."""
    with _opened(files[0]) as stream:
        schema = stream.schema

    def batches() -> Iterator[Any]:
        for file in files:
            with _opened(file) as stream:
                yield from stream

    return _read_rows(batches(), schema, wanted)


def read_parquet(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read parquet files with columns `image` and `label`."""
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
    if missing := {"image", "label"} - set(schema.names):
        raise Refused(f"the dataset lacks the column {sorted(missing)[0]!r}; 'image' and 'label' are read")
    images: list[Tensor] = []
    labels: list[Any] = []
    for batch in batches:
        _check_count(len(images) + batch.num_rows, wanted, whole=False)
        for picture in batch.column("image"):
            images.append(_decode(_bytes(picture.as_py()), f"image {len(images)}", wanted))
        labels += batch.column("label").to_pylist()
    _check_count(len(images), wanted)
    return Contents("huggingface", torch.stack(images), _renamed(_numbers(labels), schema, wanted))


def _check_count(count: int, wanted: Wanted, *, whole: bool = True) -> None:
    if count > wanted.count or (whole and count < wanted.count):
        raise Refused(
            f"the set has {count}{' or more' * (not whole)} images; {wanted.classes} classes of {wanted.ipc} "
            f"make {wanted.count}"
        )


def _bytes(cell: object) -> BytesIO:
    content = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(content, bytes):
        raise Refused("the column 'image' does not hold the images' bytes; save the dataset with them")
    return BytesIO(content)


def _numbers(labels: Sequence[Any]) -> Tensor:
    try:
        return torch.tensor(labels)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise Refused("the column 'label' is neither one number nor one row of targets an image") from None


def _renamed(labels: Tensor, schema: Any, wanted: Wanted) -> Tensor:
    """Use the names of the dataset's classes, in any order, if they are those of the task."""
    try:
        facts = json.loads((schema.metadata or {})[b"huggingface"])
        names = [str(name) for name in facts["info"]["features"]["label"]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return labels
    order = labels_of(names, wanted)
    if order is None or labels.ndim != 1 or labels.min() < 0 or labels.max() >= len(order):
        return labels
    return torch.tensor(order)[labels.long()]


def _decode(file: Any, called: str, wanted: Wanted) -> Tensor:
    channels, height, width = wanted.shape
    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.size != (width, height):
                raise Refused(
                    f"{called} is {image.size[0]}×{image.size[1]} pixels, "
                    f"the task's images are {width}×{height}"
                )
            if image.mode not in _MODES.get(channels, ()):
                raise Refused(f"{called} is of mode {image.mode}, the task's images have {channels} channels")
            pixels = torch.from_numpy(np.array(image.convert("L" if channels == 1 else "RGB")))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused(f"{called} is damaged, or not a picture: {error}") from None
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)
