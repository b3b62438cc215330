"""Compiled steps in files, shared by processes and machines.

Without them each machine compiles anew: torch keeps compiled code in a temporary folder of its own. The files
hold code, which the compiler unpickles and runs, so that only those are loaded that this user alone can have
written: in a store that several users share, each compiles for himself.
"""

import hashlib
import logging
import os
import stat
import warnings
from pathlib import Path

import torch
from torch.compiler._cache import CacheArtifactManager, CacheInfo

from suite.core.execution.private_folders import keep_private, only_by_this_user
from suite.core.files.atomic_write import PARTIAL, write_bytes
from suite.core.names import counted

_torch_log = logging.getLogger("torch.compiler._cache")

_read: set[Path] = set()
_known: set[str] = set()
"""The folders that this process has read, and what their files hold."""


def load(folder: Path) -> None:
    """Let this process's compiler find what is in `folder`, once.

    Warns of damaged files, and of those that others may have written, and ignores them.
    """
    if folder in _read:
        return
    _read.add(folder)
    foreign = 0
    for path in sorted(folder.glob("*")):
        if path.name.startswith(PARTIAL):
            continue  # another process is writing it
        try:
            found = _loaded(path)
        except PermissionError:
            foreign += 1
            continue
        if found is None:
            warnings.warn(f"{path} is not a file of compiled steps, or damaged; it is ignored", stacklevel=2)
            continue
        _known.update(_keys(found))
    if foreign:
        warnings.warn(
            f"{counted(foreign, 'file')} in {folder} may have been written by others, and would be run: "
            "steps are compiled anew; delete them if they are yours",
            stacklevel=2,
        )


def save(folder: Path) -> None:
    """Write what this process compiled, and `folder` did not have, to a new file in it."""
    if not CacheArtifactManager.need_serialize():
        return
    made = torch.compiler.save_cache_artifacts()
    CacheArtifactManager.clear()  # the next file has only what is new
    if made is None or not (new := set(_keys(made[1])) - _known):
        return
    content, _ = made
    write_bytes(folder / f"{_digest(''.join(sorted(new)).encode())}-{_digest(content)}.artifacts", content)
    _known.update(new)


def _loaded(path: Path) -> CacheInfo | None:
    if path.suffix != ".artifacts" or (content := _own(path)) is None:
        return None
    if not path.stem.endswith(_digest(content)):
        return None
    keep_private()  # where the compiler unpacks it
    _torch_log.disabled = True  # it prints tracebacks of damaged files, of which `load` warns
    try:
        return torch.compiler.load_cache_artifacts(content)
    except Exception:  # of a compiler, which may raise any error
        return None
    finally:
        _torch_log.disabled = False


def _own(path: Path) -> bytes | None:
    """Return the content of a file, None if it is none; raises PermissionError if it may be of others."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return None
    try:
        found = os.fstat(handle)  # of what was opened, not of what has the name by now
        if not only_by_this_user(found):
            raise PermissionError(f"{path} may have been written by others")
        if not stat.S_ISREG(found.st_mode):
            return None
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _keys(info: CacheInfo) -> list[str]:
    return [f"{kind} {key}" for kind, keys in info.artifacts.items() for key in keys]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
