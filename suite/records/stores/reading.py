"""Read whole stores, file by file: records are checked, and nothing is moved or changed."""

import gc
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from suite.core.files.documents import document
from suite.records.record import Record, read_record
from suite.records.store import Store
from suite.records.stores import layout
from suite.records.submission import reason as reason


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause Python's search for circles of objects: records have none, and it looks at all of them each time.

    Use it where a whole store is read; it halves the time. What is there at its end is not looked at before
    the next time.
    """
    before = gc.isenabled()
    gc.disable()
    gc.unfreeze()
    try:
        yield
    finally:
        if before:
            gc.freeze()
            gc.enable()


KINDS = ("records", "failures", "plan")
"""The folders of which a store has at least one."""


@dataclass
class Report:
    """What was made of stores. done, present: files that were written, and that were there, by kind.

    left: files that stay behind, each with its reason; superseded: those that hang on a record that is not
    kept.
    """

    done: Counter[str] = field(default_factory=Counter)
    present: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    superseded: Counter[str] = field(default_factory=Counter)


def opened(path: Path) -> Store:
    """Return the store at `path`; raises ValueError if there is none, or one of another protocol."""
    store = Store(path)
    if not path.is_dir():
        what = "is a file, not a store" if path.exists() else "does not exist"
        raise ValueError(f"{path} {what}; name the folder that a run wrote to")
    if (path / "store.json").exists():
        store.check_protocol("store")
    elif not any((path / kind).is_dir() for kind in KINDS):
        raise ValueError(f"{path} is not a store: it has no records; name the folder that a run wrote to")
    return store


def records(store: Store, label: str = "") -> Iterator[Record]:
    """Yield the records of a row, or of all; each file is read once. Damaged ones draw a warning."""
    for folder in layout.folders(store.path / "records", layout.row_folder(label) if label else ""):
        for path in layout.listed(folder, ".json"):
            try:
                record = checked(path)
            except (OSError, ValueError) as error:
                warnings.warn(f"{path}: skipped, {reason(error)}", stacklevel=2)
                continue
            yield record


def checked(path: Path, content: bytes | None = None) -> Record:
    """Return the record in a file, or in its `content`; raises ValueError if it is none, or damaged."""
    return read_record(document(path) if content is None else content, path.stem[:64])
