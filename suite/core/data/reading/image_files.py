"""Tasks of image files in a folder per class or in Tiny-ImageNet's layout."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import parse_qs

import torch
from PIL import ImageColor

from suite.core.data.catalogue import TaskInfo
from suite.core.data.found import Notes
from suite.core.data.reading.decoding import Decoding, decode_all, survey
from suite.core.data.reading.folders import Listing, list_folder
from suite.core.data.reading.readers import Raw, Source, Splits, Stamp, identified, stamp

OPTIONS = ("size", "background", "mirror")
"""Options of all tasks that are decoded from pictures."""


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
    try:
        colour = None if background is None else ImageColor.getrgb(background)[:3]
    except ValueError:
        raise ValueError(
            f"task {task!r}: background {background!r} must be a colour: white, black, #rrggbb"
        ) from None
    return Decoding(3, int(size) if size else None, colour)


def mirrored(task: str, given: Mapping[str, str]) -> bool:
    """Return whether a mirrored image keeps its class: not with `mirror=no`; raises ValueError for others."""
    mirror = given.get("mirror", "yes")
    if mirror not in ("yes", "no"):
        raise ValueError(f"task {task!r}: mirror {mirror!r} must be yes or no")
    return mirror == "yes"


def locate_folder(folder: Path, how: Decoding) -> tuple[Source, TaskInfo]:
    """Find the images of `folder` and read the facts of the task from their headers.

    Pictures have one channel, whatever `how` says, if all are grey.
    """
    listing = list_folder(folder)
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


def _read_listing(listing: Listing, how: Decoding) -> Splits:
    notes = Notes()

    def read(rows: tuple[tuple[Path, int], ...]) -> Raw:
        pictures = ((path, path) for path, _ in rows)
        return Raw(decode_all(pictures, len(rows), how, notes), torch.tensor([label for _, label in rows]))

    train, test = read(listing.train), read(listing.test)
    noted = (*listing.notes, *notes.lines())
    return Splits(train, test, listing.class_names, noted, class_ids=listing.class_ids)
