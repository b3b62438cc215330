"""Facts about the content of files: each file is read once, and again after it changed.

A change shows in a file's size, its inode and its time of change (ctime), which no program can set. What a
disk changes by itself does not show; `ratbench audit` reads all files.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from suite.core.files.atomic_write import DiskFault, read_bytes, write_bytes

FILE = "checked.json"
"""The file of a store that remembers the facts; without it all files are read again."""


class Known:
    """Facts about the files below the folder `root`, where `save` writes them.

    once: whether a change of a file after the first question about it is overlooked.
    """

    def __init__(self, root: Path, *, once: bool = False) -> None:
        self._root, self._once, self._changed = root, once, False
        self._looked = set[Path]()
        self._facts: dict[str, tuple[list[int], str]] = {}
        with suppress(OSError, ValueError, TypeError):
            saved = dict(json.loads(read_bytes(root / FILE)))
            self._facts = {name: (mark, fact) for name, (mark, fact) in saved.items()}

    def of(self, path: Path, find: Callable[[bytes], str]) -> str:
        """Return the fact that `find` gets from a file's content; it must be the same `find` each time.

        Raises FileNotFoundError, NotAFile, DiskFault, and what `find` raises.
        """
        name = path.relative_to(self._root).as_posix()
        if path in self._looked:
            return self._facts[name][1]
        found = path.stat() if path.is_file() else None
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
        """Write the facts; if the disk refuses them, nothing is lost."""
        if self._changed:
            with suppress(DiskFault):
                write_bytes(self._root / FILE, json.dumps(self._facts).encode(), replace=True)
            self._changed = False
