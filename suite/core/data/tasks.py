"""Tasks by name: `load("cifar10-zca")`.

Data are read from the given folder, or $RATBENCH_DATA, or ./data, in the layouts of torchvision,
Tiny-ImageNet and the Hugging Face hub. Preprocessed images are cached there in .ratbench/ and
memory-mapped, so that the trials on one machine share them.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.core.data import cache
from suite.core.data.building import building, recipe
from suite.core.data.cache import Facts, Tensors
from suite.core.data.catalogue import CATALOGUE
from suite.core.data.found import Found, lines
from suite.core.data.preprocessing import restore
from suite.core.data.reading import hf, image_files, readers
from suite.core.data.reading.download import DataMissing as DataMissing
from suite.core.data.reading.readers import Source
from suite.core.data.stored_images import StoredImages
from suite.core.data.task_info import TaskInfo as TaskInfo
from suite.core.names import HOLDOUT, did_you_mean
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Preprocessing, Task, TestSplit

OWN = ("folder:", hf.PREFIX)
"""Prefixes of tasks that are not in the catalogue."""
FORMS = {
    "folder:/path": "a folder with train/ and test/, each with a folder of images per class",
    "hf:OWNER/NAME": "a Hugging Face image dataset, from the data folder or the hub",
    "hf:/path": "a local folder of Parquet files, or one that `save_to_disk` wrote",
}
"""How tasks that are not in the catalogue are called."""

_LOCATED: ContextVar[dict[tuple[str, Path], tuple[Source, TaskInfo]]] = ContextVar("located")

_VERSION = 3
"""Increase it if a change of code gives other tensors for the same files, or other entries of the cache."""


@dataclass(frozen=True)
class LoadedTask(Task):
    """A task made from files, and what was found in them.

    source: sha256 of the pixels, the labels and the kind of preprocessing. It is the same on every machine,
    unlike the last bits of whitened images.
    """

    source: str
    found: Found


def names() -> tuple[str, ...]:
    """Return the names of the catalogued tasks."""
    return tuple(CATALOGUE)


@contextmanager
def located_once() -> Iterator[None]:
    """Look for a task's files once in the body of the `with` statement: grids ask for each row and size."""
    token = _LOCATED.set(_LOCATED.get({}))
    try:
        yield
    finally:
        _LOCATED.reset(token)


def describe(name: str) -> TaskInfo:
    """Return the facts about a task without reading its images; raises ValueError for an unknown name."""
    name = name.removesuffix(HOLDOUT)
    if name.startswith(OWN):
        return _locate(name, data_folder())[1]
    if name not in CATALOGUE:
        raise ValueError(f"unknown task {name!r}; {_hint(name)}")
    return CATALOGUE[name]


def data_folder(data: Path | None = None) -> Path:
    """Return the data folder: `data`, or $RATBENCH_DATA, or ./data."""
    return Path(data or os.environ.get("RATBENCH_DATA") or "data").expanduser()


def load(name: str, *, data: Path | None = None, device: torch.device | str = "cpu") -> LoadedTask:
    """Load a task onto `device`; download and preprocess it first if necessary.

    name: one of `names()`, or of `FORMS` with options, such as folder:/path?size=32&background=white. The
    suffix :holdout gives the task whose test split is a tenth of train, for choosing settings.
    data: see `data_folder`. Raises DataMissing, a ValueError, within seconds if files are missing.
    """
    if name.endswith(HOLDOUT):
        return load(name.removesuffix(HOLDOUT), data=data, device=device).holdout()
    folder = data_folder(data)
    source, info = _locate(name, folder)
    # The digits are tiny and come with scikit-learn: they need no folder.
    store = None if info.format == "digits" else cache.usable_folder(folder)
    return cache.open_or_build(
        store,
        _stem(info, source),
        partial(building, info, source, store, device),
        partial(_finish, info, store, device),
    )


def fingerprint(task: Task) -> str:
    """Return a sha256 that is equal only for the same data: images, labels, class names, preprocessing.

    The order of class names counts, since labels of sets from elsewhere are mapped by name. Fast for tasks
    from `load` and their holdouts; for other tasks the images are hashed.
    """
    digest = _without_names(task)
    digest.update(json.dumps(task.class_names).encode())
    return digest.hexdigest()


def check_data(synthetic: SyntheticSet, task: Task) -> None:
    """Raise ValueError for a set that was distilled from other data than the task's, if it is known."""
    if synthetic.data and not is_of(synthetic.data, task):
        raise ValueError(
            "the set was distilled from other images or with other preprocessing: their fingerprint is "
            f"{synthetic.data[:12]}, the task's {fingerprint(task)[:12]}; use the same files, or distil again"
        )


def is_of(data: object, task: Task) -> bool:
    """Return whether `data` is the fingerprint of the task's data, today's or that of an earlier release."""
    return data in (fingerprint(task), former_fingerprint(task))


def former_fingerprint(task: Task) -> str:
    """Return the fingerprint by which records of earlier releases know the same data: without class names."""
    return _without_names(task).hexdigest()


def _without_names(task: Task) -> "hashlib._Hash":
    digest = hashlib.sha256()
    for part in (task.train, task.split):
        part.hash_into(digest, pixels=not isinstance(task, LoadedTask))
    prepared = (
        task.source
        if isinstance(task, LoadedTask)
        else json.dumps(task.preprocessing.describe(), sort_keys=True)
    )
    digest.update(prepared.encode())
    return digest


def told(task: LoadedTask, *, every_class: bool = False) -> list[str]:
    """Return lines on what was found in a task's files, its preprocessing and its fingerprint.

    every_class: name all classes, not the first and the last of many.
    """
    return list(lines(task, task.found, fingerprint(task), every_class=every_class))


def to_pixels(images: Tensor, description: Mapping[str, Any]) -> Tensor:
    """Return images (…, channels, height, width) in [0, 1], for pictures: their preprocessing undone.

    description: of the preprocessing, as a manifest has it. Raises ValueError where it cannot be restored.
    """
    return restored(description).invert(images.flatten(0, -4)).view_as(images)


def restored(description: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing that a manifest describes; raises ValueError where it cannot be restored."""
    return restore(description, cache.usable_folder(data_folder()))


def _hint(name: str) -> str:
    """Return what an unknown name may mean: a path or OWNER/NAME lacks its prefix."""
    path = name.partition(":")[2] or name
    if "/" in path:
        return f"for a Hugging Face dataset write 'hf:{path}', for a folder of images 'folder:{path}'"
    return did_you_mean(name, [*CATALOGUE, *FORMS])


def _locate(name: str, data: Path) -> tuple[Source, TaskInfo]:
    known = _LOCATED.get({})
    if (name, data) not in known:
        known[name, data] = _located(name, data)
    return known[name, data]


def _located(name: str, data: Path) -> tuple[Source, TaskInfo]:
    if name.startswith(hf.PREFIX):
        return hf.locate(name, data)
    if not name.startswith("folder:"):
        info = describe(name)
        return (hf.locate_known if info.format == "images" else readers.locate)(info, data), info
    path, _, query = name.removeprefix("folder:").partition("?")
    given = image_files.options(name, query)
    how, classes = image_files.decoding(name, given), given.get("classes")
    source, info = image_files.locate_folder(Path(path).expanduser(), how, name, classes)
    return source, replace(info, name=name, mirrored=image_files.mirrored(name, given))


def _stem(info: TaskInfo, source: Source) -> str:
    files = list(map(readers.stamp, source.files))
    key = [_VERSION, info.name, info.shape, recipe(info), source.identity, files]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return f"{re.sub('[^a-z0-9-]+', '-', info.name.lower())[-40:].strip('-')}-{digest[:16]}"


def _finish(
    info: TaskInfo, store: Path | None, device: torch.device | str, tensors: Tensors, facts: Facts
) -> LoadedTask:
    preprocessing, source = restore(facts["preprocessing"], store), str(facts["source"])

    def examples(split: str) -> Examples:
        images, labels = tensors[f"{split}_images"], tensors[f"{split}_labels"]
        if images.dtype == torch.uint8:
            images = StoredImages(images, preprocessing.apply, f"{source} {split}")
        return Examples(images, labels, info.classes, info.mirrored).to(torch.device(device))

    return LoadedTask(
        name=info.name,
        train=examples("train"),
        split=TestSplit(examples("test")),
        preprocessing=preprocessing,
        class_names=tuple(facts["class_names"]),
        source=source,
        found=Found(**facts["found"]),
    )
