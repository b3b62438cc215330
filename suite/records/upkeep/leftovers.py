"""Remove what killed processes left in a store: partial files, and folders of Ray Tune."""

import os
import shutil
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from suite.core.files.atomic_write import PARTIAL

TUNE = ".tune-"
"""The beginning of the names of Ray Tune's folders."""

_FOLDERS = (
    "records",
    "failures",
    "artefacts",
    "checkpoints",
    "plan",
    "jobs",
    "compiled",
    "submissions",
    "pictures",
    "plots",
)
"""Folders in which only the holder of the store's lock writes."""


def sweep(store: Path) -> int:
    """Remove leftovers; return their number. Only the holder of the store's lock may call it."""
    walked = chain(islice(os.walk(store), 1), *(os.walk(store / name) for name in _FOLDERS))
    found = (Path(folder, each) for folder, folders, files in walked for each in (*folders, *files))
    left = [path for path in found if path.name.startswith((PARTIAL, TUNE))]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return len(left)
