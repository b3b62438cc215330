"""Remove what killed processes left in a store: files that were half written, and folders of Ray Tune."""

import os
import shutil
from contextlib import suppress
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
"""Where whole folders belong to the one who has the store's lock; beside them others may have theirs."""


def sweep(store: Path) -> int:
    """Remove leftovers; return their number. For the one who holds the store's lock."""
    found = [Path(each.path) for each in _listed(store)]
    for name in _FOLDERS:
        for folder, folders, files in os.walk(store / name):
            found += [Path(folder, each) for each in (*folders, *files)]
    left = [path for path in found if path.name.startswith((PARTIAL, TUNE))]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return len(left)


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    with suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []
