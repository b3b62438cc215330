"""Tensors on disk, built once and memory-mapped by every process that opens them.

An entry is <stem>.safetensors and <stem>.json. The JSON is written last and holds the facts and a checksum of
parts of the tensors. A truncated or altered entry counts as absent and is built again.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from suite.core.data.atomic_write import write_whole

T = TypeVar("T")
Facts = Mapping[str, Any]
Tensors = Mapping[str, Tensor]

_DTYPES = {torch.float32: "F32", torch.int64: "I64"}
_PROBES, _PROBE_BYTES = 256, 1 << 14


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
        with FileLock(folder / f"{stem}.lock"):
            # Another process may have built it meanwhile.
            found = _open(folder, stem, finish)
            if not found:
                _write(folder, stem, build())
                found = [finish(*_load(folder, stem))]
    return found[0]


def remembered(folder: Path | None, stem: str, find: Callable[[], Facts]) -> Facts:
    """Return the facts in <stem>.json, or find and write them; None as folder only finds them."""
    if folder is None:
        return find()
    path = folder / f"{stem}.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        found = find()
    write_whole(path, lambda partial: partial.write_text(json.dumps(dict(found))))
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
    entry = json.loads((folder / f"{stem}.json").read_text())
    if entry["probe"] != _probe(path):
        raise ValueError("its bytes have changed since they were written")
    return load_file(path), entry["facts"]


def _write(folder: Path, stem: str, building: Building) -> None:
    path = folder / f"{stem}.safetensors"
    write_whole(path, lambda partial: _write_streams(partial, building.streams))
    entry = {"facts": dict(building.facts), "probe": _probe(path)}
    write_whole(folder / f"{stem}.json", lambda partial: partial.write_text(json.dumps(entry, indent=1)))


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


def _probe(path: Path) -> str:
    """Return the sha256 of a file's size and 4 MiB of its bytes, evenly spread; of all if there are fewer."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    step = max(_PROBE_BYTES, size // _PROBES)
    with path.open("rb") as file:
        for start in (*range(0, size, step), max(0, size - _PROBE_BYTES)):
            file.seek(start)
            digest.update(file.read(_PROBE_BYTES))
    return digest.hexdigest()
