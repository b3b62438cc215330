"""Tensors on disk, built once and memory-mapped by every process that opens them.

An entry is <stem>.safetensors and <stem>.json. The JSON is written last and holds the facts and the sha256 of
the tensors' file and of themselves. Every process checks both whole, once, at about the speed of the disk; of
a file that is larger than `LARGE` only that its entry in the folder is the one that was written. A truncated
or altered entry counts as absent and is built again.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from suite.core.files.atomic_write import faults_of, partial_of, read_bytes, write_bytes, write_whole

T = TypeVar("T")
Facts = Mapping[str, Any]
Tensors = Mapping[str, Tensor]

Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
"""The dtypes and shapes of tensors."""

LARGE = 2**34
"""Bytes of a file that takes long to read."""

_DTYPES = {torch.float32: ("F32", np.float32), torch.int64: ("I64", np.int64), torch.uint8: ("U8", np.uint8)}

_checked: dict[Path, tuple[list[int], str]] = {}
"""Of each file of tensors that this process hashed: by what a change is known, and its sha256."""


@dataclass(frozen=True)
class Building:
    """A new entry. fill: fills tensors of this layout, and returns the entry's facts, ready for JSON."""

    layout: Layout
    fill: Callable[[Tensors], Facts]


def usable_folder(data: Path) -> Path | None:
    """Return the folder for entries: in `data`, else in the user's cache, else None with a warning."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (data / ".ratbench", home / "ratbench"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    warnings.warn(f"neither {data} nor {home} can be written; data are prepared in memory", stacklevel=2)
    return None


def open_or_build(
    folder: Path | None,
    stem: str,
    build: Callable[[], Building],
    finish: Callable[[Tensors, Facts], T],
) -> T:
    """Return `finish(tensors, facts)` of an entry; build the entry first if it is absent.

    finish: raises ValueError for an unusable entry. folder: None builds the entry in memory.
    """
    if folder is None:
        building = build()
        tensors = {name: torch.empty(shape, dtype=dtype) for name, (dtype, shape) in building.layout.items()}
        return finish(tensors, building.fill(tensors))
    found = _open(folder, stem, finish)
    if not found:
        with _locked(folder / f"{stem}.lock"):
            for left in folder.glob(f"{partial_of(stem)[:-1]}.*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            # Another process may have built it meanwhile.
            found = _open(folder, stem, finish)
            if not found:
                _write(folder, stem, build())
                found = [finish(*_load(folder, stem))]
    return found[0]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path)
    with faults_of(path):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def remembered(folder: Path | None, stem: str, find: Callable[[], Facts]) -> Facts:
    """Return the facts in <stem>.json, or find and write them; None as folder only finds them."""
    if folder is None:
        return find()
    path = folder / f"{stem}.json"
    try:
        return dict(_read(path)["facts"])
    except (OSError, ValueError, TypeError, KeyError):
        found = find()
    write_bytes(path, _sealed({"facts": dict(found)}), replace=True)
    return found


def has_entry(folder: Path, stem: str) -> bool:
    """Return whether an entry was written, damaged or not."""
    return (folder / f"{stem}.json").exists()


def _open(folder: Path, stem: str, finish: Callable[[Tensors, Facts], T]) -> list[T]:
    """Return the entry as a list of one, or an empty list if it is absent or damaged."""
    if not has_entry(folder, stem):
        return []
    try:
        return [finish(*_load(folder, stem))]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        warnings.warn(f"{folder / stem} is damaged and built again: {error}", stacklevel=4)
        return []


def _load(folder: Path, stem: str) -> tuple[Tensors, Facts]:
    path = folder / f"{stem}.safetensors"
    entry = _read(folder / f"{stem}.json")
    untouched = entry.get("mark") == _mark(path.stat()) and path.stat().st_size > LARGE
    if not untouched and "sha256" in entry and entry["sha256"] != _sha256(path):
        raise ValueError("its bytes have changed since they were written")
    return load_file(path), entry["facts"]


def _write(folder: Path, stem: str, building: Building) -> None:
    path, facts = folder / f"{stem}.safetensors", dict[str, Any]()
    write_whole(path, lambda partial: facts.update(building.fill(_mapped(partial, building.layout))))
    entry = {"facts": facts, "sha256": _sha256(path), "mark": _mark(path.stat())}
    write_bytes(folder / f"{stem}.json", _sealed(entry), replace=True)


def _mapped(path: Path, layout: Layout) -> dict[str, Tensor]:
    """Write a safetensors file of zeros, and map its tensors; safetensors' own writer needs all in memory."""
    header, ends = dict[str, Any](), [0]
    for name, (dtype, shape) in layout.items():
        ends.append(ends[-1] + dtype.itemsize * torch.Size(shape).numel())
        header[name] = {"dtype": _DTYPES[dtype][0], "shape": list(shape), "data_offsets": ends[-2:]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.flush()
        # A disk without room is an error here; it would be a signal when the mapped pages are written.
        os.posix_fallocate(file.fileno(), 0, (first := file.tell()) + ends[-1])
    return {
        name: torch.from_numpy(np.memmap(path, _DTYPES[dtype][1], "r+", first + start, shape))
        for start, (name, (dtype, shape)) in zip(ends, layout.items(), strict=False)
    }


def _sha256(path: Path) -> str:
    """Return the sha256 of a file, which is read once and again after it changed."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        mark = _mark(found)
        if path not in _checked or _checked[path][0] != mark:
            _checked[path] = mark, hashlib.file_digest(file, "sha256").hexdigest()
    return _checked[path][1]


def _mark(found: os.stat_result) -> list[int]:
    """Return by what a change of a file is known without reading it."""
    return [found.st_size, found.st_ino, found.st_ctime_ns]


def _sealed(entry: dict[str, Any]) -> bytes:
    """Return an entry as JSON with the sha256 of its content."""
    return json.dumps({**entry, "seal": _seal(entry)}, indent=1).encode()


def _read(path: Path) -> dict[str, Any]:
    """Return what `_sealed` wrote; raises ValueError if it was changed.

    Earlier releases sealed none: of their entries, `finish` checks the tensors.
    """
    entry = dict(json.loads(read_bytes(path)))
    if "probe" not in entry and entry.pop("seal") != _seal(entry):
        raise ValueError("its facts have changed since they were written")
    return entry


def _seal(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
