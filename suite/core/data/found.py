"""What was found in the files of a task, and done to them, to be told before compute starts."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category, normalize

import torch

from suite.core.data.reading.readers import Raw, Splits
from suite.core.names import counted
from suite.core.spec import Task

_SHOWN = 20  # more classes than this are told by the first and the last
_LETTERS = 40  # of a class's name

JOINERS = "\u200c\u200d"
"""Characters without a form of their own that some scripts need."""

_NOT_SEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # kinds of characters, among them those that turn text around
_UNSEEN = frozenset((*JOINERS, "\u034f", *map(chr, range(0xFE00, 0xFE10))))  # joiners, variants of a letter


class Notes:
    """What was done to which pictures or files: counted, each with its first one."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[str, str]]()
        self._first = dict[tuple[str, str], str]()
        self._sizes = dict[tuple[str, str], list[tuple[int, int]]]()

    def add(
        self, what: str, called: object, *, noun: str = "image", size: tuple[int, int] | None = None
    ) -> None:
        """Note that `what` was done to the thing of this name; size: its (width, height), told instead."""
        self._counts[noun, what] += 1
        self._first.setdefault((noun, what), printable(str(called)))
        if size:
            known = [*self._sizes.get((noun, what), []), size]
            least, most = ([pick(axis) for axis in zip(*known, strict=True)] for pick in (min, max))
            self._sizes[noun, what] = [(least[0], least[1]), (most[0], most[1])]

    def lines(self) -> tuple[str, ...]:
        """Return a line for each note."""
        return tuple(
            f"{counted(count, key[0])} {key[1]} ({self._which(key, count)})"
            for key, count in self._counts.items()
        )

    def _which(self, key: tuple[str, str], count: int) -> str:
        if key in self._sizes:
            ends = dict.fromkeys(f"{width}×{height}" for width, height in self._sizes[key])
            return f"of {' to '.join(ends)} pixels"
        return f"{'the first is ' * (count > 1)}{self._first[key]}"


def printable(text: str) -> str:
    """Return a file's name for messages: characters that are not seen, or are no text, are escaped."""
    return "".join(
        ascii(each)[1:-1] if category(each) in _NOT_SEEN and each not in JOINERS else each for each in text
    )


def plain_name(name: str) -> str:
    """Return a class's name without blanks around it, in one spelling (NFC) of letters with accents."""
    return normalize("NFC", name).strip()


def check_names(names: Sequence[str], where: object) -> None:
    """Raise ValueError, naming `where`, for names that are empty, look alike or hold unseen characters."""
    known = set[str]()
    for label, name in enumerate(names):
        if printable(name) != name:
            raise ValueError(
                f"{where}: the class name {printable(name)} has characters that are not seen; rename it"
            )
        look = " ".join("".join(each for each in name if each not in _UNSEEN).split())
        if not look:
            raise ValueError(f"{where}: class {label} has an empty name; give it one")
        if look in known:
            raise ValueError(f"{where} has two classes that both read {name!r}; rename or join them")
        known.add(look)


@dataclass(frozen=True)
class Found:
    """What the files hold beside images. JSON keeps it.

    train, test: numbers of images, by label; notes: what was skipped or changed; warnings: doubles.
    """

    train: Sequence[int]
    test: Sequence[int]
    notes: Sequence[str]
    warnings: Sequence[str]


def find(contents: Splits) -> Found:
    """Count the images of each class, and those that occur more than once."""
    count = len(contents.class_names)
    train, test = (
        torch.bincount(raw.labels, minlength=count).tolist() for raw in (contents.train, contents.test)
    )
    return Found(train, test, contents.notes, list(_doubles(contents.train, contents.test)))


def lines(task: Task, found: Found, fingerprint: str, *, every_class: bool = False) -> Iterator[str]:
    """Yield lines on a loaded task or its holdout: classes, sizes, preprocessing, fingerprint, notes.

    every_class: name all classes, not the first and the last of many.
    """
    train = torch.bincount(task.train.labels.cpu(), minlength=task.train.classes).tolist()
    held = [before - after for before, after in zip(found.train, train, strict=True)]
    shape = "×".join(map(str, task.train.shape))
    yield f"{printable(task.name)}: {len(task.class_names)} classes, images of {shape}"
    yield f"  train: {_sizes(train, task.class_names)}"
    if any(held):
        yield f"  test: {_sizes(held, task.class_names)}, held out of train"
    else:
        yield f"  test: {_sizes(found.test, task.class_names)}"
    yield f"  classes: {_classes(task.class_names, len(task.class_names) if every_class else _SHOWN)}"
    facts = task.preprocessing.describe()
    values = ", ".join(f"{key} {_short(value)}" for key, value in facts.items() if key != "kind")
    yield f"  preprocessing: {facts['kind']}{f' ({values})' * bool(values)}"
    yield f"  fingerprint: {fingerprint[:16]}"
    yield from (f"  note: {note}" for note in found.notes)
    yield from (f"  warning: {warning}" for warning in found.warnings)


def _doubles(train: Raw, test: Raw) -> Iterator[str]:
    """Yield a line each for equal images in both splits, within train, and in different classes."""
    label, torn = dict[bytes, int](), set[bytes]()
    splits = []
    for raw in (train, test):
        keys = [hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in raw.images]
        torn |= {
            key
            for key, own in zip(keys, raw.labels.tolist(), strict=True)
            if label.setdefault(key, own) != own
        }
        splits.append(keys)
    known = set(splits[0])
    if shared := sum(key in known for key in splits[1]):
        yield f"{counted(shared, 'test image')} equal to an image of train, pixel for pixel"
    if again := len(splits[0]) - len(known):
        yield f"{counted(again, 'image')} of train equal to an earlier one, pixel for pixel"
    if torn:
        yield f"{counted(len(torn), 'image')} found in more than one class, pixel for pixel"


def _sizes(counts: Sequence[int], names: Sequence[str]) -> str:
    """Return the number of images in all and per class, with the smallest and the largest class."""
    low, high = min(counts), max(counts)
    text = f"{counted(sum(counts), 'image')}, {low} per class"
    if low == high:
        return text
    small, large = (_short(names[list(counts).index(each)]) for each in (low, high))
    return f"{counted(sum(counts), 'image')}, {low} ({small}) to {high} ({large}) per class"


def _classes(names: Sequence[str], shown: int) -> str:
    parts = [_short(name if name == str(label) else f"{label} {name}") for label, name in enumerate(names)]
    return ", ".join(parts if len(parts) <= shown else [*parts[: shown - 1], "…", parts[-1]])


def _short(value: object) -> str:
    text = printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
