"""Write files atomically."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(
    path: Path, write: Callable[[Path], object], *, replace: bool = True, sync: bool = True
) -> None:
    """Write a file by `write(partial path)`, sync it, then rename it to `path`.

    replace: whether to replace an existing file; otherwise it stays. sync: whether to wait until it is on
    disk, which takes milliseconds; who writes thousands of files calls `os.sync` once.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        if sync:
            _sync(partial)
        partial.chmod(0o644)  # mkstemp's files are private; a shared folder is read by others
        if replace:
            partial.replace(path)
        else:
            _link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if sync:
        _sync(path.parent)


def write_bytes(path: Path, content: bytes, *, replace: bool = False, sync: bool = True) -> None:
    """Write `content` to `path` as `write_whole` does; create the folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: partial.write_bytes(content), replace=replace, sync=sync)


def disk_full(error: BaseException) -> bool:
    """Return whether an error means that the disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(partial: Path, path: Path) -> None:
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        return
    except OSError as error:
        if disk_full(error):
            raise
        if not path.exists():  # no hard links on this file system
            partial.replace(path)
