"""Image files in a folder per class or in Tiny-ImageNet's layout, and parquet files, also from the hub.

Pillow decodes images to unsigned bytes. If a size is given, the shorter side is resized to it (bilinear,
antialiased) and the centre is cropped.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from suite.core.data.catalogue import PICTURES, TaskInfo
from suite.core.data.reading import download
from suite.core.data.reading.readers import Raw, Source, Splits

_TEST_NAMES = ("test", "val", "valid", "validation")
_IMAGE_COLUMNS = ("image", "img")


@dataclass(frozen=True)
class Listing:
    """The image files of a task with their labels, and the names of its classes."""

    train: tuple[tuple[Path, int], ...]
    test: tuple[tuple[Path, int], ...]
    class_names: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All image files, train first."""
        return tuple(path for path, _ in (*self.train, *self.test))


def locate(info: TaskInfo, data: Path) -> Source:
    """Find a catalogued task as image folders or parquet files below `data`, or on the hub.

    Raises DataMissing where it is in none of these places.
    """
    size = info.shape[1]
    for folder in (data / name for name in info.folders):
        if (folder / "train").is_dir() and not any((folder / "train").glob("*.parquet")):
            listing = list_folder(folder)
            return Source(listing.files, info.name, partial(_read_listing, listing, info.shape[0], size))
        if found := _parquet_splits(info, folder):
            return Source((*found[0], *found[1]), info.name, partial(_read_parquet, found, size))
    if info.hub is None:
        raise download.DataMissing(_remedy(info, data))
    return Source((), f"{info.hub.name}@{info.hub.revision}", partial(_read_hub, info, _remedy(info, data)))


def locate_folder(folder: Path, size: int | None) -> tuple[Source, TaskInfo]:
    """Find the images of `folder` and read the facts of the task from their headers."""
    listing = list_folder(folder)
    channels, height, width = _survey(listing.files, size)
    info = TaskInfo(
        name=f"folder:{folder}" + (f"?size={size}" if size else ""),
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
    return Source(listing.files, str(folder), partial(_read_listing, listing, channels, size)), info


def list_folder(folder: Path) -> Listing:
    """List train/ and test/ (or val/), each with a folder per class, or Tiny-ImageNet's layout.

    Raises ValueError if their classes differ or a class has no image.
    """
    if not (folder / "train").is_dir():
        raise download.DataMissing(f"{folder} needs a folder train/ with a folder per class")
    train = _list_classes(folder / "train")
    candidates = [folder / name for name in _TEST_NAMES if (folder / name).is_dir()]
    if not candidates:
        raise download.DataMissing(f"{folder} needs a folder test/ or val/ with a folder per class")
        # A val/ with class folders is used if test/ has none.
    held = next((each for each in candidates if any((each / name).is_dir() for name in train)), candidates[0])
    annotations = folder / "val" / "val_annotations.txt"
    # Tiny-ImageNet's test labels are not published: the field tests on val/.
    test = _list_annotated(annotations) if annotations.is_file() else _list_classes(held)
    if odd := sorted(set(train) ^ set(test)):
        where = "train" if odd[0] in train else "test"
        raise ValueError(f"{folder}: class {odd[0]!r} is only in {where}; both need the same classes")
    classes = sorted(train)
    labelled = [
        tuple((path, label) for label, name in enumerate(classes) for path in split[name])
        for split in (train, test)
    ]
    words = _read_words(folder / "words.txt")
    return Listing(labelled[0], labelled[1], tuple(words.get(name, name) for name in classes))


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    classes = {}
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        images = sorted(path for path in entry.rglob("*") if path.suffix.lower() in PICTURES)
        if not images:
            raise ValueError(f"the class folder {entry} has no images")
        classes[entry.name] = images
    if not classes:
        raise ValueError(f"{folder} has no class folders")
    return classes


def _list_annotated(annotations: Path) -> dict[str, list[Path]]:
    classes: dict[str, list[Path]] = {}
    for line in annotations.read_text().splitlines():
        if line.strip():
            file, wnid = line.split("\t")[:2]
            classes.setdefault(wnid, []).append(annotations.parent / "images" / file)
    missing = [path for paths in classes.values() for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"{annotations} names {missing[0]}, which does not exist")
    return {wnid: sorted(paths) for wnid, paths in classes.items()}


def _read_words(path: Path) -> dict[str, str]:
    """Return the first word for each WordNet id; empty if the file does not exist."""
    if not path.is_file():
        return {}
    rows = (line.split("\t", 1) for line in path.read_text().splitlines() if "\t" in line)
    return {wnid: words.split(",")[0].strip() for wnid, words in rows}


def _survey(files: Sequence[Path], size: int | None) -> tuple[int, int, int]:
    """Return (channels, height, width) from the headers alone; one channel if all images are grey."""
    grey, first = True, None
    for path in files:
        with _open(path, path) as image:
            grey = grey and image.mode in ("L", "1")
            first = first or image.size
            if size is None and image.size != first:
                raise ValueError(
                    f"{files[0]} is {first[0]}×{first[1]} and {path} is {image.size[0]}×{image.size[1]}: "
                    "images must share one size; append ?size=32 (say) to the task to resize them"
                )
    width, height = (size, size) if size else first or (0, 0)
    return (1 if grey else 3), height, width


def _read_listing(listing: Listing, channels: int, size: int | None) -> Splits:
    def read(rows: tuple[tuple[Path, int], ...]) -> Raw:
        pictures = ((path, path) for path, _ in rows)
        labels = torch.tensor([label for _, label in rows])
        return Raw(_decode_all(pictures, len(rows), channels, size), labels)

    return Splits(read(listing.train), read(listing.test), listing.class_names)


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
    return _read_parquet(found, info.shape[1])


def _read_parquet(splits: tuple[list[Path], list[Path]], size: int) -> Splits:
    (train, names), (test, _) = (_read_parquet_split(files, size) for files in splits)
    if not names:
        names = tuple(str(label) for label in range(int(train.labels.max()) + 1))
    return Splits(train, test, names)


def _read_parquet_split(files: list[Path], size: int) -> tuple[Raw, tuple[str, ...]]:
    from pyarrow import parquet  # type: ignore[import-untyped]

    opened = [parquet.ParquetFile(file) for file in files]
    columns = _image_column(files[0], opened[0].schema_arrow.names), "label"
    labels = list[int]()

    def pictures() -> Iterator[tuple[Any, str]]:
        for rows in chain.from_iterable(file.iter_batches(500, columns=columns) for file in opened):
            for picture, label in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
                yield BytesIO(picture["bytes"]), f"image {len(labels)} of {files[0]}"
                labels.append(label)

    images = _decode_all(pictures(), sum(file.metadata.num_rows for file in opened), 3, size)
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


def _decode_all(pictures: Iterable[tuple[Any, Any]], count: int, channels: int, size: int | None) -> Tensor:
    """Decode files, given with their names in messages, to (count, channels, height, width) uint8."""
    images = torch.empty(0)
    for index, (file, called) in enumerate(pictures):
        pixels = _decode(file, called, channels, size)
        if index == 0:
            images = torch.empty((count, *pixels.shape), dtype=torch.uint8)
        images[index] = pixels
    return images


def _decode(file: Any, called: Any, channels: int, size: int | None) -> Tensor:
    with _open(file, called) as image:
        try:
            picture = image.convert("L" if channels == 1 else "RGB")
        except OSError as error:
            raise ValueError(f"{called} is damaged: {error}") from error
    if size is not None and picture.size != (size, size):
        picture = _crop(picture, size)
    pixels = torch.from_numpy(np.array(picture))
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)


def _open(file: Any, called: Any) -> Image.Image:
    try:
        image = Image.open(file)
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"{called} cannot be read as an image: {error}") from error
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"{called} has more than 8 bits per channel (mode {image.mode}); convert it to 8")
    return image


def _crop(picture: Image.Image, size: int) -> Image.Image:
    width, height = picture.size
    scale = size / min(width, height)
    resized = picture.resize(
        (max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR
    )
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    return resized.crop((left, top, left + size, top + size))


def _remedy(info: TaskInfo, data: Path) -> str:
    text = f"For {info.name}, put train/ and val/ with a folder per class into {data / info.folders[0]}"
    if info.hub is None:
        return f"{text}; or train*.parquet and test*.parquet with the columns image and label"
    return (
        f"{text}; or the parquet files {info.hub.train} and {info.hub.test} of {info.hub.name} into "
        f"{data / info.hub.name}; or fetch them on a machine with a network: "
        f"hf download {info.hub.name} --repo-type dataset --revision {info.hub.revision}"
    )
