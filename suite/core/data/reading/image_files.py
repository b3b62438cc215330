"""Image files in a folder per class or in Tiny-ImageNet's layout, and parquet files, also from the hub."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import torch
from PIL import ImageColor

from suite.core.data.catalogue import TaskInfo
from suite.core.data.found import Notes
from suite.core.data.reading import download
from suite.core.data.reading.decoding import Decoding, decode_all, survey
from suite.core.data.reading.folders import Listing, list_folder
from suite.core.data.reading.readers import Raw, Source, Splits

_IMAGE_COLUMNS = ("image", "img")


def locate(info: TaskInfo, data: Path) -> Source:
    """Find a catalogued task as image folders or parquet files below `data`, or on the hub.

    Raises DataMissing where it is in none of these places.
    """
    how = Decoding(info.shape[0], info.shape[1])
    for folder in (data / name for name in info.folders):
        if (folder / "train").is_dir() and not any((folder / "train").glob("*.parquet")):
            listing = list_folder(folder)
            return Source(listing.files, info.name, partial(_read_listing, listing, how))
        if found := _parquet_splits(info, folder):
            return Source((*found[0], *found[1]), info.name, partial(_read_parquet, found, how))
    if info.hub is None:
        raise download.DataMissing(_remedy(info, data))
    return Source((), f"{info.hub.name}@{info.hub.revision}", partial(_read_hub, info, _remedy(info, data)))


def asked(task: str, query: str) -> Decoding:
    """Return how the pictures of a task `folder:/path?query` are decoded: `size=32&background=white`.

    Raises ValueError, naming the task, for an unknown option or value.
    """
    options = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := set(options) - {"size", "background"}:
        raise ValueError(
            f"task {task!r} has the unknown option {sorted(unknown)[0]!r}; known: size, background"
        )
    return decoding(task, options)


def decoding(task: str, options: Mapping[str, str]) -> Decoding:
    """Return how pictures are decoded by the options `size` and `background`, as far as they are given."""
    size, background = options.get("size"), options.get("background")
    if size is not None and not (size.isdecimal() and int(size) > 0):
        raise ValueError(f"task {task!r}: size {size!r} must be a whole number of pixels")
    try:
        colour = None if background is None else ImageColor.getrgb(background)[:3]
    except ValueError:
        raise ValueError(
            f"task {task!r}: background {background!r} must be a colour: white, black, #rrggbb"
        ) from None
    return Decoding(3, int(size) if size else None, colour)


def locate_folder(folder: Path, how: Decoding) -> tuple[Source, TaskInfo]:
    """Find the images of `folder` and read the facts of the task from their headers.

    Pictures have one channel, whatever `how` says, if all are grey.
    """
    listing = list_folder(folder)
    channels, height, width = _shape(tuple(map(_stamp, listing.files)), how)
    info = TaskInfo(
        name=f"folder:{folder}",
        classes=len(listing.class_names),
        shape=(channels, height, width),
        train=len(listing.train),
        test=len(listing.test),
        format="folder",
        source=str(folder),
        licence="not known: the user's own images",
        class_names_from="the folders",
        checksum="none",
    )
    how = replace(how, channels=channels)
    return Source(listing.files, str(folder), partial(_read_listing, listing, how)), info


def _stamp(path: Path) -> tuple[Path, int, int]:
    """Return a file with its size and the time of its last change, 0 if it cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return path, 0, 0
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=4)  # a grid describes its tasks for each of its rows
def _shape(files: tuple[tuple[Path, int, int], ...], how: Decoding) -> tuple[int, int, int]:
    return survey(((path, path) for path, *_ in files), how)


def _read_listing(listing: Listing, how: Decoding) -> Splits:
    notes = Notes()

    def read(rows: tuple[tuple[Path, int], ...]) -> Raw:
        pictures = ((path, path) for path, _ in rows)
        return Raw(decode_all(pictures, len(rows), how, notes), torch.tensor([label for _, label in rows]))

    train, test = read(listing.train), read(listing.test)
    return Splits(train, test, listing.class_names, (*listing.notes, *notes.lines()))


def _parquet_splits(info: TaskInfo, folder: Path) -> tuple[list[Path], list[Path]] | None:
    """Return the parquet files of train and test, laid out as on the hub or by name; None without both."""
    # Validation before test: if both are published, as for ImageNet, the test labels are secret.
    layouts = [("train*.parquet", "val*.parquet"), ("train*.parquet", "test*.parquet")]
    if info.hub:
        layouts.insert(0, (info.hub.train, info.hub.test))
    for layout in layouts:
        train, test = (sorted(folder.glob(pattern)) for pattern in layout)
        if train and test:
            return train, test
    return None


def _read_hub(info: TaskInfo, remedy: str) -> Splits:
    hub = info.hub
    found = _parquet_splits(info, download.download_hub(hub, remedy)) if hub else None
    if found is None:
        raise download.DataMissing(f"the Hugging Face cache lacks files of {info.name}. {remedy}")
    return _read_parquet(found, Decoding(info.shape[0], info.shape[1]))


def _read_parquet(splits: tuple[list[Path], list[Path]], how: Decoding) -> Splits:
    notes = Notes()
    (train, names), (test, _) = (_read_parquet_split(files, how, notes) for files in splits)
    if not names:
        names = tuple(str(label) for label in range(int(train.labels.max()) + 1))
    return Splits(train, test, names, notes.lines())


def _read_parquet_split(files: list[Path], how: Decoding, notes: Notes) -> tuple[Raw, tuple[str, ...]]:
    from pyarrow import parquet  # type: ignore[import-untyped]

    opened = [parquet.ParquetFile(file) for file in files]
    columns = _image_column(files[0], opened[0].schema_arrow.names), "label"
    labels = list[int]()

    def pictures() -> Iterator[tuple[Any, str]]:
        for rows in chain.from_iterable(file.iter_batches(500, columns=columns) for file in opened):
            for picture, label in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
                yield BytesIO(picture["bytes"]), f"image {len(labels)} of {files[0]}"
                labels.append(label)

    images = decode_all(pictures(), sum(file.metadata.num_rows for file in opened), how, notes)
    return Raw(images, torch.tensor(labels)), _label_names(opened[0].schema_arrow.metadata)


def _image_column(file: Path, columns: list[str]) -> str:
    """Return the name of the column of images: `image`, or `img` as in some data sets of the hub."""
    name = next((name for name in _IMAGE_COLUMNS if name in columns), _IMAGE_COLUMNS[0])
    if missing := sorted({name, "label"} - set(columns)):
        raise ValueError(f"{file} has the columns {sorted(columns)} and lacks {missing}")
    return name


def _label_names(metadata: dict[bytes, bytes] | None) -> tuple[str, ...]:
    """Return the names that Hugging Face's `datasets` writes into a file's metadata; else ()."""
    described = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    return tuple(described.get("info", {}).get("features", {}).get("label", {}).get("names", ()))


def _remedy(info: TaskInfo, data: Path) -> str:
    text = f"For {info.name}, put train/ and val/ with a folder per class into {data / info.folders[0]}"
    if info.hub is None:
        return f"{text}; or train*.parquet and test*.parquet with the columns image and label"
    return (
        f"{text}; or the parquet files {info.hub.train} and {info.hub.test} of {info.hub.name} into "
        f"{data / info.hub.name}; or fetch them on a machine with a network: "
        f"hf download {info.hub.name} --repo-type dataset --revision {info.hub.revision}"
    )
