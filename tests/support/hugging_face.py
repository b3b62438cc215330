"""Parquet files as Hugging Face's `datasets` writes them: small, with its metadata."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as arrow  # type: ignore[import-untyped]
from PIL import Image
from pyarrow import parquet

from tests.support.published_files import random_pixels

PETS = ("cat", "dog")


def png(size: int = 8, *, grey: bool = False) -> bytes:
    """Return a square picture of random pixels."""
    file = BytesIO()
    Image.fromarray(random_pixels(size, size) if grey else random_pixels(size, size, 3)).save(file, "PNG")
    return file.getvalue()


def pictures(count: int, size: int = 8, *, grey: bool = False) -> list[dict[str, Any]]:
    """Return the values of a column of images."""
    return [{"bytes": png(size, grey=grey), "path": None} for _ in range(count)]


def classes(*names: str) -> dict[str, Any]:
    """Return the feature of a column of labels."""
    return {"_type": "ClassLabel", "names": list(names)}


def table(columns: Mapping[str, Sequence[Any]], features: Mapping[str, Any] | None = None) -> arrow.Table:
    """Return a table of pyarrow with the metadata of `features`."""
    made = arrow.table(dict(columns))
    if features is None:
        return made
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": dict(features)}})})


def write(
    path: Path, columns: Mapping[str, Sequence[Any]], features: Mapping[str, Any] | None = None
) -> None:
    """Write a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table(columns, features), path)


def write_pets(
    path: Path,
    labels: Sequence[Any],
    *,
    size: int = 8,
    image: str = "image",
    label: str = "label",
    names: Sequence[str] = PETS,
) -> list[bytes]:
    """Write a Parquet file of pictures with labels, as `datasets` does; return the encoded pictures."""
    images = pictures(len(labels), size)
    write(path, {image: images, label: labels}, {image: {"_type": "Image"}, label: classes(*names)})
    return [each["bytes"] for each in images]
