"""Splits in Parquet and Arrow files as Hugging Face's `datasets` writes them, and their columns.

Images are structs of encoded bytes and a path; labels are whole numbers whose names, like the kind of every
column, stand in the metadata `huggingface` of the file.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import chain, compress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.core.data.found import Notes, plain_name
from suite.core.data.reading.decoding import Decoding, decode_all
from suite.core.data.reading.readers import Raw, Room, Source, Splits, identified
from suite.core.examples import hash_tensor

Label = int | str | bool

_LFS = b"version https://git-lfs"
_BYTES = ("binary", "large_binary")
_ROWS = 500  # read at once


@dataclass(frozen=True)
class Table:
    """A Parquet or Arrow file. kinds: for each column `Image`, `ClassLabel` or its type in Arrow.

    classes: the class names of each column of the kind ClassLabel.
    """

    path: Path
    rows: int
    kinds: Mapping[str, str]
    classes: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> str:
        """The columns and their kinds, for messages."""
        return ", ".join(f"{name} ({kind})" for name, kind in self.kinds.items())

    def batches(self, column: str) -> Iterator[Any]:
        """Yield a column in pieces: arrays of pyarrow."""
        with _named(self.path):
            if self.path.suffix == ".arrow":
                with _stream(self.path) as stream:
                    for batch in stream:
                        yield batch.column(column)
            else:
                for batch in _parquet(self.path).iter_batches(_ROWS, columns=[column]):
                    yield batch.column(column)

    def pictures(self, column: str) -> Iterator[tuple[BytesIO, str]]:
        """Yield each encoded image with its name for messages."""
        row = 0
        for batch in self.batches(column):
            for value in batch.to_pylist():
                called = f"image {row} of {self.path}"
                content = value["bytes"] if isinstance(value, dict) else value
                if content is None and isinstance(value, dict) and value.get("path"):
                    raise ValueError(
                        f"{called} is only a path, {value['path']!r}; write the images into the files, as "
                        "datasets' to_parquet and save_to_disk do"
                    )
                if not content:
                    raise ValueError(f"{called} is empty; remove the row")
                yield BytesIO(content), called
                row += 1

    def labels(self, column: str) -> list[Label]:
        """Return the labels; raises ValueError for missing ones."""
        found: list[Label] = []
        for batch in self.batches(column):
            found += batch.to_pylist()
        for row, label in enumerate(found):
            if label is None:
                raise ValueError(f"row {row} of {self.path} has no {column}; remove the row")
        return found


@dataclass(frozen=True)
class Split:
    """The files of a split, its column of images, and the label of each row, -1 for one that is left out."""

    tables: tuple[Table, ...]
    image: str
    rows: Tensor

    @property
    def labels(self) -> Tensor:
        """The labels of the images."""
        return self.rows[self.rows >= 0]

    def pictures(self) -> Iterator[tuple[BytesIO, str]]:
        """Yield each encoded image with its name for messages."""
        every = chain.from_iterable(table.pictures(self.image) for table in self.tables)
        return compress(every, (self.rows >= 0).tolist())

    def only(self, labels: Sequence[int], count: int) -> "Split":
        """Return the images with these labels of `count`, labelled anew in this order."""
        new = torch.full((count,), -1)
        new[torch.tensor(labels)] = torch.arange(len(labels))
        return replace(self, rows=new[self.rows])


@dataclass(frozen=True)
class Found:
    """Both splits of a dataset, its class names, and what was chosen without being asked for, or ""."""

    train: Split
    test: Split
    class_names: tuple[str, ...]
    said: str

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, train first."""
        return tuple(table.path for split in (self.train, self.test) for table in split.tables)

    def source(self, where: str, how: Decoding) -> Source:
        """Return the dataset as a source, known by what the card may say of it, too."""
        splits = (self.train, self.test)
        facts = ([each.image for each in splits], *(each.labels.tolist() for each in splits))
        identity = identified(where, self.class_names, [self.said], *facts)
        return Source(self.files, identity, partial(self.read, how))

    def read(self, how: Decoding, room: Room) -> Splits:
        """Decode all images, with the sha256 of the encoded images and the labels of each split."""
        notes, checksums = Notes(), dict[str, str]()

        def raw(name: str, split: Split) -> Raw:
            digest = hashlib.sha256()
            pictures = _hashed(split.pictures(), digest)
            images = decode_all(pictures, len(split.labels), how, notes, partial(room, name))
            hash_tensor(digest, split.labels)
            checksums[name] = digest.hexdigest()
            return Raw(images, split.labels)

        train, test = raw("train", self.train), raw("test", self.test)
        said = (self.said,) if self.said else ()
        return Splits(train, test, self.class_names, (*said, *notes.lines()), checksums, self.class_names)


def _hashed(pictures: Iterable[tuple[BytesIO, str]], digest: Any) -> Iterator[tuple[BytesIO, str]]:
    for file, called in pictures:
        digest.update(file.getbuffer())
        yield file, called


def open_table(path: Path, features: Mapping[str, Any] | None = None) -> Table:
    """Read the schema of a file; `features` describe its columns where its own metadata do not."""
    with _named(path):
        if path.suffix == ".arrow":
            with _stream(path) as stream:
                schema, rows = stream.schema, sum(batch.num_rows for batch in stream)
        else:
            file = _parquet(path)
            schema, rows = file.schema_arrow, file.metadata.num_rows
    described = _features(path, schema.metadata) or features or {}
    kinds, classes = {}, {}
    for field in schema:
        feature = described.get(field.name)
        feature = feature if isinstance(feature, dict) else {}
        kinds[field.name] = _kind(field.type, feature)
        if kinds[field.name] == "ClassLabel":
            names = feature.get("names") or range(int(feature.get("num_classes") or 0))
            classes[field.name] = tuple(plain_name(str(each)) for each in names)
    return Table(path, rows, kinds, classes)


def image_column(table: Table, asked: str | None) -> str:
    """Return the column of images: `asked`, or the only one; raises ValueError listing the columns."""
    if asked is None:
        return _only(table, "image", [name for name, kind in table.kinds.items() if kind == "Image"])
    if _present(table, asked) not in ("Image", *_BYTES):
        raise ValueError(
            f"the column {asked!r} of {table.path} holds no encoded images; its columns: {table.columns}"
        )
    return asked


def label_column(table: Table, asked: str | None) -> str:
    """Return the column of labels: `asked`, or the only ClassLabel, or else a column `label`."""
    if asked is None:
        plain = ["label"] if "label" in table.kinds else []
        asked = _only(table, "label", list(table.classes) or plain)
    kind = _present(table, asked)
    if not kind.startswith(("ClassLabel", "int", "uint", "string", "large_string", "bool", "dictionary")):
        raise ValueError(
            f"the column {asked!r} of {table.path} is {kind}, not labels; its columns: {table.columns}"
        )
    return asked


def class_names(table: Table, column: str, train: Sequence[Label]) -> tuple[str, ...]:
    """Return the names of the classes: those of the column, or else the sorted values of train."""
    return table.classes.get(column) or tuple(plain_name(str(each)) for each in sorted(set(train)))


def indices(labels: Sequence[Label], names: Sequence[str], named: bool, where: str) -> Tensor:
    """Return labels as indices of `names` (n,) int64; raises ValueError for a label without a class.

    named: whether whole numbers are indices, as in a ClassLabel; otherwise they are looked up as text.
    """
    if any(label == -1 and not isinstance(label, str) for label in labels):
        raise ValueError(
            f"{where} has the label -1, by which labels are hidden; append ?test=NAME for a split with labels"
        )
    index: dict[Label, int] = {name: number for number, name in enumerate(names)}
    if named:
        index |= {number: number for number in range(len(names))}
    found = [
        index.get(label if named and not isinstance(label, str) else plain_name(str(label)), -1)
        for label in labels
    ]
    if -1 in found:
        raise ValueError(
            f"{where} has the label {labels[found.index(-1)]!r}, which is none of the {len(names)} classes"
        )
    return torch.tensor(found, dtype=torch.int64)


def _kind(arrow: Any, feature: Mapping[str, Any]) -> str:
    declared = feature.get("_type")
    text = str(arrow)
    own = {field.name: str(field.type) for field in (arrow if text.startswith("struct<") else ())}
    shaped = own.get("bytes") in _BYTES  # a struct inside may be an image, too, but is not read
    if declared == "Image" and (shaped or text in _BYTES):
        return "Image"
    if declared == "ClassLabel":
        return "ClassLabel"
    # Audio is a struct of bytes and path too, and says so.
    return "Image" if shaped and declared is None else text


def _only(table: Table, option: str, found: Sequence[str]) -> str:
    if len(found) != 1:
        many = f"{', '.join(found)} could each be it" if found else "none is one for certain"
        raise ValueError(
            f"{table.path}: which column is the {option}? {many}; append ?{option}=NAME; "
            f"its columns: {table.columns}"
        )
    return found[0]


def _present(table: Table, name: str) -> str:
    if name not in table.kinds:
        raise ValueError(f"{table.path} has no column {name!r}; its columns: {table.columns}")
    return table.kinds[name]


def _features(path: Path, metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Return the features that `datasets` wrote into a file; {} if it did not write the file."""
    try:
        described = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        return dict((described.get("info") or {}).get("features") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"the metadata 'huggingface' of {path} cannot be read: {error}") from error


def _parquet(path: Path) -> Any:
    from pyarrow import parquet  # type: ignore[import-untyped]

    return parquet.ParquetFile(path)


@contextmanager
def _stream(path: Path) -> Iterator[Any]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as stream:
        yield stream


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn pyarrow's errors into one sentence with the file's name."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if path.stat().st_size < 1000 and os.access(path, os.R_OK) and path.read_bytes().startswith(_LFS):
            reason = "it is a pointer of Git LFS; fetch the file itself"
        kind = "Arrow" if path.suffix == ".arrow" else "Parquet"
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from error
