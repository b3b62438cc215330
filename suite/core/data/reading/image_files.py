"""Tasks of image files in a folder per class or in Tiny-ImageNet's layout."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import parse_qs

import torch
from PIL import ImageColor

from suite.core.data.found import Notes
from suite.core.data.reading.decoding import Decoding, decode_all, survey
from suite.core.data.reading.folders import Listing, list_folder
from suite.core.data.reading.readers import Raw, Room, Source, Splits, Stamp, identified, stamp
from suite.core.data.task_info import TaskInfo

OPTIONS = ("size", "background", "mirror", "classes")
"""Options of all tasks that are decoded from pictures."""

IMAGENET_SUBSETS: Mapping[str, tuple[int, ...]] = {
    "imagenette": (0, 217, 482, 491, 497, 566, 569, 571, 574, 701),
    "imagewoof": (193, 182, 258, 162, 155, 167, 159, 273, 207, 229),
    "imagefruit": (953, 954, 949, 950, 951, 957, 952, 945, 943, 948),
    "imageyellow": (309, 986, 954, 951, 987, 779, 599, 291, 72, 11),
    "imagemeow": (281, 282, 283, 284, 285, 291, 292, 290, 289, 287),
    "imagesquawk": (84, 130, 88, 144, 145, 22, 96, 9, 100, 89),
}
"""The subsets of MTT (arXiv 2203.11932): labels of ImageNet's classes in the order of their WordNet ids."""


def find(info: TaskInfo, folder: Path) -> Source | None:
    """Find a catalogued task as image folders in `folder`; None without train/, or with tables in it."""
    train = folder / "train"
    if not train.is_dir() or any(train.glob("*.parquet")) or any(train.glob("*.arrow")):
        return None
    listing = list_folder(folder)
    how = Decoding(info.shape[0], info.shape[1])
    return _source(info.name, listing, how)


def options(task: str, query: str, known: Sequence[str] = OPTIONS) -> dict[str, str]:
    """Return the options in a task's name, `size=32&background=white`.

    Raises ValueError, naming the task, for an unknown option, and for one without a value or with two.
    """
    given = parse_qs(query, keep_blank_values=True)
    for option, values in given.items():
        if option not in known:
            raise ValueError(f"task {task!r} has the unknown option {option!r}; known: {', '.join(known)}")
        if len(values) > 1 or not values[0]:
            raise ValueError(f"task {task!r}: give the option {option!r} one value")
    return {option: values[0] for option, values in given.items()}


def decoding(task: str, given: Mapping[str, str]) -> Decoding:
    """Return how the pictures of a task are decoded, by its options; raises ValueError for a wrong value."""
    size, background = given.get("size"), given.get("background")
    if size is not None and not (size.isdecimal() and int(size) > 0):
        raise ValueError(f"task {task!r}: size {size!r} must be a whole number of pixels")
    wrong = f"task {task!r}: background {background!r} must be an opaque colour: white, black, #rrggbb"
    try:
        colour = None if background is None else ImageColor.getrgb(background)
    except ValueError:
        raise ValueError(wrong) from None
    if colour is not None and len(colour) == 4:
        raise ValueError(wrong)
    return Decoding(3, int(size) if size else None, colour)


def mirrored(task: str, given: Mapping[str, str]) -> bool:
    """Return whether a mirrored image keeps its class: not with `mirror=no`; raises ValueError for others."""
    mirror = given.get("mirror", "yes")
    if mirror not in ("yes", "no"):
        raise ValueError(f"task {task!r}: mirror {mirror!r} must be yes or no")
    return mirror == "yes"


def chosen_classes(task: str, text: str | None, count: int) -> tuple[int, ...]:
    """Return the labels, of `count`, that a task's option `classes` names, in their order; all without one.

    text: labels such as 3,1,7, or a subset of ImageNet; raises ValueError for other text, naming the task.
    """
    if text is None:
        return tuple(range(count))
    if text in IMAGENET_SUBSETS and count != 1000:
        raise ValueError(
            f"task {task!r}: {text} is a subset of ImageNet's 1000 classes; these are {count}, so give "
            "labels, such as 3,1,7"
        )
    parts = IMAGENET_SUBSETS.get(text) or text.split(",")
    if not all(str(part).isdecimal() for part in parts):
        known = ", ".join(IMAGENET_SUBSETS)
        raise ValueError(f"task {task!r}: classes {text!r} must be labels, such as 3,1,7, or one of {known}")
    labels = tuple(map(int, parts))
    if len(labels) < 2 or len(set(labels)) < len(labels) or max(labels) >= count:
        raise ValueError(
            f"task {task!r}: classes {text!r} must be two labels or more from 0 to {count - 1}, all different"
        )
    return labels


def locate_folder(folder: Path, how: Decoding, task: str, classes: str | None) -> tuple[Source, TaskInfo]:
    """Find the images of `folder` and read the facts of the task from their headers.

    Pictures have one channel, whatever `how` says, if all are grey. classes: see `chosen_classes`.
    """
    listing = list_folder(folder)
    listing = listing.only(chosen_classes(task, classes, len(listing.class_names)))
    channels, height, width = _shape(tuple(map(stamp, listing.files)), how)
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
    return _source(str(folder), listing, how), info


@lru_cache(maxsize=4)  # a grid describes its tasks for each of its rows
def _shape(files: tuple[Stamp, ...], how: Decoding) -> tuple[int, int, int]:
    return survey(((path, path) for path, *_ in files), how)


def _source(where: str, listing: Listing, how: Decoding) -> Source:
    labels = ([label for _, label in rows] for rows in (listing.train, listing.test))
    facts = (listing.class_names, listing.class_ids, listing.notes, *labels)
    return Source(listing.files, identified(where, *facts), partial(_read_listing, listing, how))


def _read_listing(listing: Listing, how: Decoding, room: Room) -> Splits:
    notes = Notes()

    def read(split: str, rows: tuple[tuple[Path, int], ...]) -> Raw:
        pictures = ((path, path) for path, _ in rows)
        images = decode_all(pictures, len(rows), how, notes, partial(room, split))
        return Raw(images, torch.tensor([label for _, label in rows]))

    train, test = read("train", listing.train), read("test", listing.test)
    noted = (*listing.notes, *notes.lines())
    return Splits(train, test, listing.class_names, noted, class_ids=listing.class_ids)
