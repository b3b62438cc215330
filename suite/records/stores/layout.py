"""Where the files of a store are: the folders of rows, and what is listed there."""

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from time import time_ns

from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record

_LONGEST = 200
"""Bytes of a task's or a row's name in the names of folders."""


_SETTLED = 10**9
"""Nanoseconds after which a change of a folder gives it another time than the change before."""


class Listing:
    """The files of records, or of failures, by cell.

    `once`: what was there at the first look. Else a row's folder is listed again if it has changed since,
    unless it is known where a cell's files are written: only there others are looked for then. So the time
    for a cell does not grow with the store.
    """

    def __init__(self, path: Path, *, once: bool) -> None:
        self._path, self._once = path, once
        self._rows: dict[Path, tuple[int, list[Path]]] | None = None
        self._cells: dict[str, list[Path]] = {}

    def of(self, cell: str, written: Sequence[Path] = ()) -> list[Path]:
        """Return the files of the cell with this id, the first written first.

        written: the paths to which a run writes it.
        """
        if self._rows is None or not (self._once or written):
            self._look()
        found = {*self._cells.get(cell, ()), *(() if self._once else filter(Path.exists, written))}
        return sorted(found, key=lambda path: path.stem)

    def _look(self) -> None:
        before, self._rows = self._rows or {}, {}
        for folder in folders(self._path):
            self._rows[folder] = self._row(folder, before.get(folder))
        if self._rows != before:
            self._cells = {}
            for path in (path for _, paths in self._rows.values() for path in paths):
                self._cells.setdefault(path.stem[:64], []).append(path)

    def _row(self, folder: Path, before: tuple[int, list[Path]] | None) -> tuple[int, list[Path]]:
        now, changed = time_ns(), folder.stat().st_mtime_ns
        if before is not None and before[0] == changed:
            return before
        return (changed if now - changed > _SETTLED else -1), listed(folder, ".json")


def place_of(record: Record) -> Path:
    """Return the folder of a record's row, below that of records or failures."""
    return place(record.task, record.ipc, record.label)


def place_in(job: Job, cell: Cell) -> Path:
    """Return the folder of a job's cell, as `place_of` does of its record."""
    return place(job.cell.task, job.size(cell), job.label)


@lru_cache(maxsize=1024)
def place(task: str, ipc: int, label: str) -> Path:
    """Return the folder of a row, below that of records or failures."""
    size = f"-ipc{ipc}" if ipc else "-full"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", task).strip("-.")
    return Path(f"{name[:_LONGEST]}{size}") / row_folder(label)


def row_folder(label: str) -> str:
    """Return the name of the folder of a row, below that of its task and size."""
    # Not every file system allows these characters in names; records of others may hold any label.
    folder = re.sub(r"[/\\:*?\"<>|\x00-\x1f\x7f]", "-", label).strip(".") or "-"
    return folder.encode()[:_LONGEST].decode(errors="ignore")


def files(path: Path) -> Iterator[Path]:
    """Yield the JSON files below the folder of records or failures, in order; each folder is read once."""
    for folder in folders(path):
        yield from listed(folder, ".json")


def below(folder: Path, ending: str) -> Iterator[Path]:
    """Yield the files with this ending in and below a folder, in order; none if there is no such folder."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda each: each.name)
    for each in entries:
        if each.is_dir(follow_symlinks=False):
            yield from below(folder / each.name, ending)
        elif each.name.endswith(ending):
            yield folder / each.name


def folders(path: Path, row: str = "") -> Iterator[Path]:
    """Yield the folders of rows below that of records or failures, in order, or those of one name."""
    for each in subfolders(path):
        if not row:
            yield from subfolders(each)
        elif (each / row).is_dir():
            yield each / row


def listed(folder: Path, ending: str) -> list[Path]:
    """Return the files of a folder with this ending, sorted; none if there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        names = [each.name for each in found if each.name.endswith(ending) and _is_file(each)]
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _is_file(found: "os.DirEntry[str]") -> bool:
    try:
        return found.is_file()
    except OSError:  # a link to itself
        return False


def subfolders(path: Path) -> list[Path]:
    """Return the folders in a folder, in order; none if there is no such folder."""
    return sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
