"""Hugging Face image datasets: `hf:OWNER/NAME`, `hf:/path`, and the catalogued tasks that are published so.

Read are Parquet files and the Arrow files that `save_to_disk` writes, below the data folder, in the Hugging
Face cache, or from the hub. Columns, splits and class names come from the files and can be given.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path

from suite.core.data import cache
from suite.core.data.found import check_names
from suite.core.data.reading import hf_layout, image_files
from suite.core.data.reading.decoding import Decoding, survey
from suite.core.data.reading.download import DataMissing, download_hub
from suite.core.data.reading.hf_card import CARD, card_features, read_card
from suite.core.data.reading.hf_tables import (
    Found,
    Split,
    class_names,
    image_column,
    indices,
    label_column,
    open_table,
)
from suite.core.data.reading.readers import Room, Source, Splits, Stamp, stamp
from suite.core.data.task_info import TaskInfo

PREFIX = "hf:"
PATHS = ("/", ".", "~")  # beginnings of what is a folder of this machine, and no dataset of the hub
CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps a dataset of other files as Parquet."""

_OPTIONS = ("image", "label", "train", "test", "config", "revision")


@dataclass(frozen=True)
class Query:
    """A dataset and how to read it; None stands for what the files say.

    where: a path, or OWNER/NAME on the hub; how: how pictures are decoded; mirrored: see `Examples`;
    classes: see `image_files.chosen_classes`.
    """

    name: str
    where: str
    how: Decoding
    mirrored: bool = True
    config: str | None = None
    image: str | None = None
    label: str | None = None
    revision: str | None = None
    test: str | None = None
    train: str | None = None
    classes: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is a path."""
        return self.where.startswith(PATHS)


def parse(name: str) -> Query:
    """Return the query of a task's name, `hf:WHERE?option=value&…`; raises ValueError if it is wrong."""
    where, _, text = name.removeprefix(PREFIX).partition("?")
    given = image_files.options(name, text, (*_OPTIONS, *image_files.OPTIONS))
    own = {option: value for option, value in given.items() if option in _OPTIONS}
    how = image_files.decoding(name, given)
    query = Query(name, where, how, image_files.mirrored(name, given), classes=given.get("classes"), **own)
    if not query.local and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", where):
        raise ValueError(
            f"task {name!r} needs hf:OWNER/NAME, or hf: and a path that begins with / or ./ or ~"
        )
    return query


def locate(name: str, data: Path) -> tuple[Source, TaskInfo]:
    """Find the dataset of `hf:WHERE` and read the facts of its task.

    Raises DataMissing where there is no such dataset, and a ValueError for what cannot be read.
    """
    query = parse(name)
    root, place = _root(query, data)
    found = _open(query, root)
    shape = _shape(query, found, data)
    info = TaskInfo(
        name=name,
        classes=len(found.class_names),
        shape=shape,
        train=len(found.train.labels),
        test=len(found.test.labels),
        format="hf",
        source=place,
        licence=str(read_card(root).get("license") or "not known: see the dataset's card"),
        class_names_from="the features of its label column, or else the sorted labels",
        checksum="none",
        class_names=found.class_names,
        mirrored=query.mirrored,
    )
    return found.source(place, replace(query.how, channels=shape[0])), info


def locate_known(info: TaskInfo, data: Path) -> Source:
    """Find a catalogued task as image folders or as a Hugging Face dataset below `data`, or on the hub.

    Raises DataMissing where it is in none of these places.
    """
    hub, how = info.hub, Decoding(info.shape[0], info.shape[1])
    query = Query(info.name, hub.name if hub else info.name, how, test=hub.test if hub else None)
    for folder in (data / name for name in info.folders):
        if source := image_files.find(info, folder):
            return source
        if folder.is_dir() and (paths := hf_layout.local_files(folder)):
            layout = hf_layout.layout(paths, read_card(folder))
            wanted = hub.config if hub and hub.config in layout.files else None
            return _open(replace(query, config=wanted), folder).source(info.name, how)
    if hub is None:
        raise DataMissing(_remedy(info, data))
    # Fetched only where it is not in the cache: the commit says which files they are.
    query = replace(query, revision=hub.revision, config=hub.config)
    fetch = partial(_fetched, query, _remedy(info, data))
    return Source((), f"{hub.name}@{hub.revision}", partial(_read_hub, query, fetch), fetch)


def _read_hub(query: Query, fetch: Callable[[], Path], room: Room) -> Splits:
    return _open(query, fetch()).read(query.how, room)


def _root(query: Query, data: Path) -> tuple[Path, str]:
    """Return the folder of a dataset, and what it is called in the facts."""
    if query.local:
        root = Path(query.where).expanduser()
        if root.is_file():
            raise DataMissing(f"{root} is a file; name the folder of a dataset: hf:{root.parent}")
        if not root.is_dir():
            raise DataMissing(f"{root} does not exist; put the Parquet files of a dataset there")
        return root, str(root)
    root = data / query.where
    if root.is_dir():
        return root, f"{query.where}, found in {root}"
    remedy = f"Put its Parquet files into {root}, or write a path as hf:/path or hf:./path"
    root = _fetched(query, remedy)
    return root, f"{query.where} on the Hugging Face hub, commit {root.name}"


@lru_cache  # grids describe a task often
def _fetched(query: Query, remedy: str) -> Path:
    """Return the folder of a dataset in the Hugging Face cache, after fetching the files that it needs."""

    def choose(root: Path, paths: list[str]) -> Sequence[str]:
        layout = hf_layout.layout(paths, read_card(root))
        return _files(query, layout) if layout.files else ()

    revisions = [query.revision] if query.revision else [None, CONVERTED]
    missing: DataMissing | None = None
    for revision in revisions:
        try:
            root = download_hub(query.where, revision, choose, remedy)
        except DataMissing as error:
            missing = missing or error
            continue
        if hf_layout.local_files(root):
            return root
    raise missing or DataMissing(f"{query.where} has no Parquet files on the hub. {remedy}")


def _chosen(query: Query, layout: hf_layout.Layout) -> hf_layout.Splits:
    return hf_layout.choose(query.name, layout, query.config, query.train, query.test)


def _files(query: Query, layout: hf_layout.Layout) -> Sequence[str]:
    return [path for files in _chosen(query, layout).files.values() for path in files]


def _open(query: Query, root: Path) -> Found:
    """Read schemas and labels of the two splits, but no image."""
    card = [CARD] if (root / CARD).is_file() else []
    files = tuple(stamp(root / path) for path in (*card, *hf_layout.local_files(root)))
    return _opened(query, root, files)


@lru_cache(maxsize=4)  # grids describe a task often
def _opened(query: Query, root: Path, files: tuple[Stamp, ...]) -> Found:
    card = read_card(root)
    paths = [Path(path).relative_to(root).as_posix() for path, *_ in files]
    splits = _chosen(query, hf_layout.layout(paths, card))
    features = card_features(card, splits.config)
    opened = {
        name: tuple(open_table(root / path, features) for path in splits.files[name])
        for name in (splits.train, splits.test)
    }
    for name, tables in opened.items():
        if not any(table.rows for table in tables):
            raise ValueError(f"{query.name}: the split {name} is empty; append ?train=NAME or ?test=NAME")
    first = opened[splits.train][0]
    image, label = image_column(first, query.image), label_column(first, query.label)
    for table in chain.from_iterable(opened.values()):
        image_column(table, image)
        label_column(table, label)
        if table.classes.get(label) != first.classes.get(label):
            raise ValueError(f"{table.path} and {first.path} name their classes in {label!r} differently")
    labels = {name: [each for table in opened[name] for each in table.labels(label)] for name in opened}
    names = class_names(first, label, labels[splits.train])
    check_names(names, query.name)
    if len(names) < 2:
        raise ValueError(f"{query.name} has one class, {names[0]!r}; a task needs two")
    found = []
    for name in (splits.train, splits.test):
        numbers = indices(labels[name], names, label in first.classes, f"{query.name}: {name}")
        if absent := set(range(len(names))) - set(numbers.tolist()):
            raise ValueError(f"{query.name}: {name} has no image of class {names[min(absent)]!r}")
        found.append(Split(opened[name], image, numbers))
    chosen = image_files.chosen_classes(query.name, query.classes, len(names))
    train, test = (split.only(chosen, len(names)) for split in found)
    return Found(train, test, tuple(names[label] for label in chosen), splits.said)


def _shape(query: Query, found: Found, data: Path) -> tuple[int, int, int]:
    """Return (channels, height, width) from the headers of all images, which are read once and remembered."""
    stamps = list(map(stamp, found.files))
    key = json.dumps([astuple(query.how), found.train.image, stamps, *filter(None, [query.classes])])
    stem = f"shape-{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    def find() -> dict[str, list[int]]:
        pictures = chain(found.train.pictures(), found.test.pictures())
        return {"shape": list(survey(pictures, query.how))}

    channels, height, width = cache.remembered(cache.usable_folder(data), stem, find)["shape"]
    return channels, height, width


def _remedy(info: TaskInfo, data: Path) -> str:
    text = f"For {info.name}, put train/ and val/ with a folder per class into {data / info.folders[0]}"
    if info.hub is None:
        return f"{text}; or train*.parquet and test*.parquet with the columns image and label"
    return (
        f"{text}; or the Parquet files of {info.hub.name} into {data / info.hub.name}; "
        "or fetch them on a machine with a network: "
        f"hf download {info.hub.name} --repo-type dataset --revision {info.hub.revision}"
    )
