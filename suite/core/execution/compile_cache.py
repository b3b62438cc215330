"""Compiled steps in files, shared by processes and machines.

Without them each machine compiles anew: torch keeps compiled code in a temporary folder of its own. The files
hold code, which the compiler unpickles and runs: load none that others may have written.
"""

import hashlib
import warnings
from pathlib import Path

import torch
from torch.compiler._cache import CacheArtifactManager, CacheInfo

from suite.core.data.atomic_write import PARTIAL, read_bytes, write_bytes

_read: set[Path] = set()
_known: set[str] = set()
"""The folders that this process has read, and what their files hold."""


def load(folder: Path) -> None:
    """Let this process's compiler find what is in `folder`, once; warn of damaged files, and ignore them."""
    if folder in _read:
        return
    _read.add(folder)
    for path in sorted(folder.glob("*")):
        if path.name.startswith(PARTIAL):
            continue  # another process is writing it
        if (found := _loaded(path)) is None:
            warnings.warn(f"{path} is no file of compiled steps, or damaged; it is ignored", stacklevel=2)
            continue
        _known.update(_keys(found))


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
    try:
        content = read_bytes(path)
    except (OSError, ValueError):
        return None
    if path.suffix != ".artifacts" or not path.stem.endswith(_digest(content)):
        return None
    try:
        return torch.compiler.load_cache_artifacts(content)
    except Exception:  # of a compiler, which may raise any error
        return None


def _keys(info: CacheInfo) -> list[str]:
    return [f"{kind} {key}" for kind, keys in info.artifacts.items() for key in keys]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
