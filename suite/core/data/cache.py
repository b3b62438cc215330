"""Tensors on disk, built once and memory-mapped by every process that opens them.

An entry is <stem>.safetensors and <stem>.json. The JSON is written last and holds the facts and the sha256 of
the tensors' file and of themselves. Every process checks both whole, once, at about the speed of the disk. A
truncated or altered entry counts as absent and is built again.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from suite.core.files.atomic_write import faults_of, partial_of, read_bytes, write_bytes, write_whole

T = TypeVar("T")
Facts = Mapping[str, Any]
Tensors = Mapping[str, Tensor]

_DTYPES = {torch.float32: "F32", torch.int64: "I64"}

_checked: dict[Path, tuple[list[int], str]] = {}
"""Of each file of tensors that this process hashed: by what a change is known, and its sha256."""


@dataclass(frozen=True)
class Stream:
    """A tensor written in chunks along its first dimension."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    chunks: Iterable[Tensor]


@dataclass(frozen=True)
class Building:
    """A new entry: its tensors as streams, and its facts, ready for JSON."""

    streams: Mapping[str, Stream]
    facts: Facts


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
        return finish({name: _gather(stream) for name, stream in building.streams.items()}, building.facts)
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
    if "sha256" in entry and entry["sha256"] != _sha256(path):
        raise ValueError("its bytes have changed since they were written")
    return load_file(path), entry["facts"]


def _write(folder: Path, stem: str, building: Building) -> None:
    path = folder / f"{stem}.safetensors"
    write_whole(path, lambda partial: _write_streams(partial, building.streams))
    entry = {"facts": dict(building.facts), "sha256": _sha256(path)}
    write_bytes(folder / f"{stem}.json", _sealed(entry), replace=True)


def _write_streams(path: Path, streams: Mapping[str, Stream]) -> None:
    """Write the safetensors format in chunks; safetensors' own writer needs all tensors in memory."""
    header, offset = {}, 0
    for name, stream in streams.items():
        end = offset + stream.dtype.itemsize * torch.Size(stream.shape).numel()
        header[name] = {
            "dtype": _DTYPES[stream.dtype],
            "shape": list(stream.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for stream in streams.values():
            for chunk in stream.chunks:
                file.write(chunk.to(stream.dtype).cpu().contiguous().numpy().tobytes())
        if file.tell() != 8 + len(text) + offset:
            raise ValueError(f"{file.tell()} bytes were written, but {8 + len(text) + offset} are declared")


def _gather(stream: Stream) -> Tensor:
    tensor = torch.empty(stream.shape, dtype=stream.dtype)
    start = 0
    for chunk in stream.chunks:
        tensor[start : start + len(chunk)] = chunk
        start += len(chunk)
    return tensor


def _sha256(path: Path) -> str:
    """Return the sha256 of a file, which is read once and again after it changed."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        mark = [found.st_size, found.st_ino, found.st_ctime_ns]
        if path not in _checked or _checked[path][0] != mark:
            _checked[path] = mark, hashlib.file_digest(file, "sha256").hexdigest()
    return _checked[path][1]


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
