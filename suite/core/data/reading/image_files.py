"""Image files in a folder per class or in Tiny-ImageNet's layout, and the decoder of all encoded images.

Pillow decodes images to unsigned bytes. If a size is given, the shorter side is resized to it (bilinear,
antialiased) and the centre is cropped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from suite.core.data.catalogue import PICTURES, TaskInfo
from suite.core.data.reading.download import DataMissing
from suite.core.data.reading.readers import Raw, Source, Splits

_TEST_NAMES = ("test", "val", "valid", "validation")


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


def find(info: TaskInfo, folder: Path) -> Source | None:
    """Find a catalogued task as image folders in `folder`; None without train/ with a folder per class."""
    train = folder / "train"
    if not train.is_dir() or any(train.glob("*.parquet")):
        return None
    listing = list_folder(folder)
    return Source(listing.files, info.name, partial(_read_listing, listing, *info.shape[:2]))


def locate_folder(folder: Path, size: int | None) -> tuple[Source, TaskInfo]:
    """Find the images of `folder` and read the facts of the task from their headers."""
    listing = list_folder(folder)
    channels, height, width = survey(((path, path) for path in listing.files), size)
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
        raise DataMissing(f"{folder} needs a folder train/ with a folder per class")
    train = _list_classes(folder / "train")
    candidates = [folder / name for name in _TEST_NAMES if (folder / name).is_dir()]
    if not candidates:
        raise DataMissing(f"{folder} needs a folder test/ or val/ with a folder per class")
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


def survey(pictures: Iterable[tuple[Any, Any]], size: int | None) -> tuple[int, int, int]:
    """Return (channels, height, width) from the headers alone; one channel if all images are grey.

    pictures: files with their names in messages. Raises ValueError if sizes differ and `size` is None.
    """
    grey, first = True, ((0, 0), "")
    for index, (file, called) in enumerate(pictures):
        with _open(file, called) as image:
            grey = grey and image.mode in ("L", "1")
            if index == 0:
                first = (image.size, called)
            if size is None and image.size != first[0]:
                one, other = (f"{width}×{height}" for width, height in (first[0], image.size))
                raise ValueError(
                    f"{first[1]} is {one} and {called} is {other}: images must share one size; append "
                    "?size=32 (say) to the task to resize them"
                )
    width, height = (size, size) if size else first[0]
    return (1 if grey else 3), height, width


def _read_listing(listing: Listing, channels: int, size: int | None) -> Splits:
    def read(rows: tuple[tuple[Path, int], ...]) -> Raw:
        pictures = ((path, path) for path, _ in rows)
        labels = torch.tensor([label for _, label in rows])
        return Raw(decode_all(pictures, len(rows), channels, size), labels)

    return Splits(read(listing.train), read(listing.test), listing.class_names)


def decode_all(pictures: Iterable[tuple[Any, Any]], count: int, channels: int, size: int | None) -> Tensor:
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
