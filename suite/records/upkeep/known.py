"""What is known of files without reading them again: each is read once, and again after it changed.

A change is known by a file's size, its number on the disk and its time of change, which no program can set.
What a disk changes by itself is found by reading all, which `ratbench audit` does.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from suite.core.files.atomic_write import DiskFault, read_bytes, write_bytes

FILE = "checked.json"
"""The file of a store that remembers what is known; without it all are read again."""


class Known:
    """Facts about the files below the folder `root`, which `save` remembers there.

    once: a file is looked at once, for many questions at a time.
    """

    def __init__(self, root: Path, *, once: bool = False) -> None:
        self._root, self._once, self._changed = root, once, False
        self._looked = set[Path]()
        self._facts: dict[str, tuple[list[int], str]] = {}
        with suppress(OSError, ValueError, TypeError):
            self._facts = {name: (mark, fact) for name, (mark, fact) in self._saved().items()}

    def of(self, path: Path, find: Callable[[bytes], str]) -> str:
        """Return what `find` tells of a file's content; always the same `find` for a file.

        Raises FileNotFoundError, NotAFile, DiskFault, and what `find` raises.
        """
        if path in self._looked:
            return self._facts[path.relative_to(self._root).as_posix()][1]
        name, found = path.relative_to(self._root).as_posix(), path.stat() if path.is_file() else None
        # Taken before the file is read: if it changes meanwhile, it is read again.
        mark = [found.st_size, found.st_ino, found.st_ctime_ns] if found else []
        before = self._facts.get(name)
        if before is None or before[0] != mark:
            self._facts[name] = before = mark, find(read_bytes(path))
            self._changed = True
        if self._once:
            self._looked.add(path)
        return before[1]

    def save(self) -> None:
        """Remember what was found; that a disk does not take it is no fault."""
        if self._changed:
            with suppress(DiskFault):
                write_bytes(self._root / FILE, json.dumps(self._facts).encode(), replace=True)
            self._changed = False

    def _saved(self) -> dict[str, tuple[list[int], str]]:
        return dict(json.loads(read_bytes(self._root / FILE)))
