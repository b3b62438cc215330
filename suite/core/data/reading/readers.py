"""Locate the files of a task, and read them as unsigned bytes.

`locate` finds the files and downloads missing ones. They are read only if the task is not in the cache.
"""

import gzip
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from suite.core.data.reading import download
from suite.core.data.reading.download import DataMissing
from suite.core.data.task_info import TaskInfo

T = TypeVar("T")

CHUNK = 512
"""Images that are turned to floats at once."""

Stamp = tuple[str, int, int, int]
"""A file, its size, and the times of its last change and of that of its entry, in ns."""


@dataclass(frozen=True)
class Raw:
    """One split as published.

    images: (n, channels, height, width) uint8, from 0 to `white`; labels: (n,) int64.
    """

    images: Tensor
    labels: Tensor
    white: int = 255

    def chunks(self) -> Iterator[Tensor]:
        """Yield the images as float32 in [0, 1], a few hundred at a time."""
        for chunk in torch.split(self.images, CHUNK):
            yield chunk.float() / self.white


@dataclass(frozen=True)
class Splits:
    """Both splits of a task, the names of its classes, by label, and notes on what was done to its files.

    checksums: of the files or of their contents, to be compared with published ones; class_ids: the classes
    as the files call them, by label, where `class_names` has other words for them.
    """

    train: Raw
    test: Raw
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    class_ids: tuple[str, ...] = ()


Room = Callable[[str, tuple[int, ...]], Tensor]
"""Return a tensor of bytes for the images of a split, by its name and their shape."""


def in_memory(split: str, shape: tuple[int, ...]) -> Tensor:
    """Return room in memory."""
    return torch.empty(shape, dtype=torch.uint8)


@dataclass(frozen=True)
class Source:
    """A task's files, located but not read.

    identity: changes with whatever `read` returns that is not in the files; see `identified`.
    read: decodes pictures into the given room; data that are not in pictures are small, and need none.
    fetch: brings files that are not here; None: all are. Raises DataMissing where it cannot.
    """

    files: tuple[Path, ...]
    identity: str
    read: Callable[[Room], Splits]
    fetch: Callable[[], object] | None = None


def stamp(path: Path) -> Stamp:
    """Return what tells whether a file changed; 0 each for a file that cannot be reached.

    A copy may keep the time of a file's last change, but not that of its entry.
    """
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def identified(where: str, *facts: Sequence[Any]) -> str:
    """Return `where` with a sha256 of facts that may come from elsewhere than the files: labels, names."""
    return f"{where} {hashlib.sha256(json.dumps(facts).encode()).hexdigest()}"


def locate(info: TaskInfo, data: Path) -> Source:
    """Find or download the files of a task, except image files, below `data`; raises DataMissing."""
    if info.format == "digits":
        return Source((), "scikit-learn", lambda _: _read_digits(info))
    if info.format == "idx":
        return _locate_idx(info, data)
    return _locate_torchvision(info, data)


def _found_or_fetched(
    find: Callable[[TaskInfo, Path], T | None], info: TaskInfo, data: Path, remedy: str
) -> T:
    """Return what `find` finds below `data`, by itself or after torchvision has fetched it."""
    found = find(info, data)
    if found is None:
        download.download_torchvision(info.torchvision, data, remedy)
        found = find(info, data)
    if found is None:
        raise DataMissing(f"{info.name} was fetched but cannot be found. {remedy}")
    return found


def read_idx(path: Path) -> tuple[Tensor, str]:
    """Read an idx file of unsigned bytes, plain or .gz; raises ValueError for others.

    Returns uint8 in its shape, and the MD5 of the unpacked file.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"{path} cannot be read as an idx file: {error}") from error
    start = 4 + 4 * rank
    if zero != 0 or kind != 0x08 or len(content) - start != math.prod(shape):
        raise ValueError(f"{path} is not an idx file of unsigned bytes, or is cut short")
    values = torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())
    return values, hashlib.md5(content, usedforsecurity=False).hexdigest()


def _read_digits(info: TaskInfo) -> Splits:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    digits = load_digits()
    images = torch.from_numpy(digits.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(digits.target).long()
    parts = {"images": images, "labels": labels.to(torch.uint8)}
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(info.classes):
        test[(labels == label).nonzero().flatten()[5::6]] = True
    return Splits(
        Raw(images[~test], labels[~test], white=16),
        Raw(images[test], labels[test], white=16),
        info.class_names,
        checksums={name: hashlib.sha256(part.numpy().data).hexdigest() for name, part in parts.items()},
    )


_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def _locate_idx(info: TaskInfo, data: Path) -> Source:
    found = _found_or_fetched(_find_idx, info, data, _idx_remedy(info, data))
    files = tuple(path for pair in found.values() for path in pair)
    return Source(files, info.name, lambda _: _read_idx_task(info, found))


def _find_idx(info: TaskInfo, data: Path) -> dict[str, tuple[Path, ...]] | None:
    for folder in info.folders:
        found = {split: _idx_pair(data / folder, split) for split in _IDX_FILES}
        if all(found.values()):
            return found
    return None


def _idx_pair(folder: Path, split: str) -> tuple[Path, ...]:
    """Return the files of images and labels, plain or .gz; empty if either is missing."""
    paths = []
    for name in _IDX_FILES[split]:
        choices = (folder / name, folder / f"{name}.gz")
        paths += [path for path in choices if path.is_file()][:1]
    return tuple(paths) if len(paths) == 2 else ()


def _idx_remedy(info: TaskInfo, data: Path) -> str:
    names = ", ".join(f"{name}[.gz]" for pair in _IDX_FILES.values() for name in pair)
    package = "; or install the package: apt install dataset-fashion-mnist"
    return (
        f"For {info.name}, put {names} (from {info.source}) into {data / info.folders[0]}"
        f"{package if info.name == 'fashion-mnist' else ''}"
    )


def _read_idx_task(info: TaskInfo, files: dict[str, tuple[Path, ...]]) -> Splits:
    splits, checksums = {}, {}
    for split, (images, labels) in files.items():
        pixels, checksums[images.name.removesuffix(".gz")] = read_idx(images)
        if pixels.ndim != 3:
            raise ValueError(f"{images} holds {pixels.ndim} dimensions; images have 3")
        numbers, checksums[labels.name.removesuffix(".gz")] = read_idx(labels)
        splits[split] = Raw(pixels.unsqueeze(1), numbers.long())
    return Splits(splits["train"], splits["test"], info.class_names, checksums=checksums)


_TORCHVISION_FILES = {
    "CIFAR10": tuple(
        f"cifar-10-batches-py/{name}"
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
    ),
    "CIFAR100": tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta")),
    "SVHN": ("train_32x32.mat", "test_32x32.mat"),
}


def _locate_torchvision(info: TaskInfo, data: Path) -> Source:
    wanted = _TORCHVISION_FILES[info.torchvision]
    remedy = f"For {info.name}, put {', '.join(wanted)} (from {info.source}) into {data}"
    root = _found_or_fetched(_find_root, info, data, remedy)
    files = tuple(root / name for name in wanted)
    return Source(files, info.name, lambda _: _read_torchvision(info, root))


def _find_root(info: TaskInfo, data: Path) -> Path | None:
    for root in (data / folder for folder in info.folders):
        if all((root / name).is_file() for name in _TORCHVISION_FILES[info.torchvision]):
            return root
    return None


def _read_torchvision(info: TaskInfo, root: Path) -> Splits:
    published = getattr(download.torchvision_datasets(), info.torchvision)
    try:
        if info.torchvision == "SVHN":
            loaded = [published(root, split=split) for split in ("train", "test")]
        else:
            loaded = [published(root, train=train) for train in (True, False)]
    except RuntimeError as error:
        raise ValueError(
            f"the files of {info.name} in {root} are not the published ones (MD5); delete them and put those "
            "there; own data are a task folder:/path or hf:/path"
        ) from error
    train, test = (_torchvision_split(split) for split in loaded)
    return Splits(train, test, info.class_names or tuple(loaded[0].classes))


def _torchvision_split(split: Any) -> Raw:
    if hasattr(split, "labels"):  # SVHN: (n, channels, height, width) already
        images, labels = split.data, split.labels
    else:
        images, labels = split.data.transpose(0, 3, 1, 2), split.targets
    return Raw(torch.from_numpy(np.ascontiguousarray(images)), torch.tensor(np.asarray(labels)).long())
