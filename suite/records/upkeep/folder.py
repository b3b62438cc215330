"""A folder in which files are written whole; damaged ones are moved to `quarantine/`."""

import os
import warnings
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import TypeVar

from suite.core.files.atomic_write import DiskFault, make_folder, move, write_bytes
from suite.records.jobs import Job

T = TypeVar("T")

QUARANTINE = "quarantine"
"""The folder of files that were set aside; none of them is deleted."""


class Folder:
    """The folder at `path`. read_only: whether damaged files stay where they are."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path, self.read_only = path, read_only

    def put(self, path: Path, content: bytes, *, replace: bool = False, sync: bool = True) -> bool:
        """Write a file as `write_bytes` does, after `make_way`."""
        self.make_way(path)
        return write_bytes(path, content, replace=replace, sync=sync)

    def make_way(self, path: Path) -> None:
        """Set aside a folder, a pipe or the like that has the name of a file to be written."""
        if os.path.lexists(path) and not path.is_file():
            self.set_aside(path, "is not a file", "a file is written in its place")

    def set_aside(self, path: Path, reason: str, outcome: str = "its cell will run again") -> None:
        """Move a path to quarantine with a warning; if the folder is read only, only warn. Raises DiskFault.

        reason: a verb and its object; outcome: what happens then.
        """
        reason = reason.replace(f"({path} ", "(it ")
        if self.read_only:
            warnings.warn(f"{path} {reason}; {outcome}", stacklevel=3)
            return
        try:
            target = self._quarantined(path)
        except DiskFault:
            if not os.path.lexists(path):
                return  # another process moved it
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

    # The local copy of an object store overrides these: `suite/records/remote/working.py`.

    @property
    def address(self) -> str:
        """The path or URL at which other processes of the run open it."""
        return str(self.path.resolve())

    def send(self) -> None:
        """Send what was written to where others see it."""

    def fetch(self) -> None:
        """Fetch what others wrote."""

    def close(self) -> None:
        """Remove what belongs to this process alone."""

    def following(self, job: Job, work: Generator[T, None, None]) -> Generator[T, None, None]:
        """Return the reports of `work` on a job, and send after each what the job wrote."""
        return work
