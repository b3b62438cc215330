"""The folders from which the compiler loads code that it compiled before: none that others can write to.

By default torch takes one below the shared temporary folder, by the user's name, which anybody may create
first. What is in it is unpickled and run.
"""

import atexit
import os
import shutil
import stat
import tempfile
import warnings
from pathlib import Path

TORCH, TRITON = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
"""The environment variables that name the folders; Triton's lies in torch's unless it is named."""


def keep_private() -> None:
    """Give the compiler a new folder for each that is not this user's alone, with a warning."""
    for name, folder in _folders().items():
        if not _is_private(folder):
            made = tempfile.mkdtemp(prefix="ratbench-compiled-")
            atexit.register(shutil.rmtree, made, ignore_errors=True)
            os.environ[name] = made
            warnings.warn(
                f"others may write to {folder}, and the compiler would run what is there: it compiles anew; "
                f"delete the folder, or set {name} to one that only you can write to",
                stacklevel=2,
            )


def only_by_this_user(found: os.stat_result) -> bool:
    """Return whether a file or a folder is this user's, and no others may write to it."""
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _folders() -> dict[str, Path]:
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    named = {name: Path(os.environ[name]).resolve() for name in (TORCH, TRITON) if os.environ.get(name)}
    return {TORCH: Path(default_cache_dir()), **named}


def _is_private(folder: Path) -> bool:
    """Create the folder if it is missing; return whether it is this user's alone."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and only_by_this_user(found)
