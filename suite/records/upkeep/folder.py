"""A folder whose files appear whole, and from which damaged ones are moved to `quarantine/`."""

import os
import warnings
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from suite.core.files.atomic_write import DiskFault, make_folder, move, write_bytes
from suite.records.jobs import Job

T = TypeVar("T")

QUARANTINE = "quarantine"
"""The folder of what was set aside; nothing of it is deleted."""


class Folder:
    """The folder at `path`. read_only: damaged files stay where they are."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path, self.read_only = path, read_only

    def put(self, path: Path, content: bytes, *, replace: bool = False, sync: bool = True) -> bool:
        """Write a file as `write_bytes` does, after `make_way`."""
        self.make_way(path)
        return write_bytes(path, content, replace=replace, sync=sync)

    def make_way(self, path: Path) -> None:
        """Set aside what is no file, and stands where one is to be written."""
        if os.path.lexists(path) and not path.is_file():
            self.set_aside(path, "is no file", "a file is written in its place")

    def set_aside(self, path: Path, reason: str, outcome: str = "its cell will run again") -> None:
        """Move a file, or what stands in its place, to quarantine with a warning; raises DiskFault.

        reason: a verb and its object; outcome: what happens then. A folder that is read only warns alone.
        """
        if self.read_only:
            warnings.warn(f"{path} {reason}; {outcome}", stacklevel=3)
            return
        try:
            target = self._quarantined(path)
        except DiskFault:
            if not os.path.lexists(path):
                return  # another process did
            raise
        warnings.warn(f"{path} {reason}; moved to {target}, {outcome}", stacklevel=3)

    def _quarantined(self, path: Path) -> Path:
        folder = self.path / QUARANTINE
        make_folder(folder)
        taken = {each.name.partition("-")[0] for each in folder.iterdir()}
        number = next(each for each in count() if f"{each:04d}" not in taken)
        target = folder / f"{number:04d}-{path.name}"
        move(path, target)
        return target

    # What is otherwise if it is the copy of an object store: `suite/records/remote/working.py`

    @property
    def address(self) -> str:
        """The path or the URL by which another process of the run opens it."""
        return str(self.path.resolve())

    def send(self) -> None:
        """Let others see what was written."""

    def fetch(self) -> None:
        """See what others wrote."""

    def close(self) -> None:
        """Remove what is of this process alone."""

    def following(self, job: Job, work: Generator[T, None, None]) -> Generator[T, None, None]:
        """Return the work on a job by another process, which yields reports, and let others see its files."""
        return work


def mistake(error: ValueError) -> str:
    """Return the first mistake in a file in one line."""
    told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return told.removeprefix("Value error, ").partition("\n")[0]
