"""Find the files of a foreign set, and their kind, by names and sizes alone; copy them for the reader."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader, FileIO
from itertools import islice
from pathlib import Path

from suite.core.data.reading.decoding import PICTURES

LIMIT = 256 * 2**20
"""Limit in bytes for all files of a set, and for each tensor."""

FILES = 100_000
"""Largest number of files of one set, and of entries of its folders."""

IMAGES, LABELS, LR = "images", "labels", "lr"
"""What files of torch are called by what they hold: images_best.pt, labels_best.pt, lr_best.pt or lr.pt."""

EXACT = "exact.safetensors"
"""The artefact in a folder that was exported from it, with its manifest `exact.json`."""

_SHOWN = 6
_CHUNK = 2**20
_TORCH = frozenset((".pt", ".pth", ".pkl"))
_KINDS = {
    ".h5": "h5",
    ".hdf5": "h5",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class SetFiles:
    """The files of a set. kind: the reader for them; content: files whose bytes are the set's.

    view: the sha256 of the files that were exported from the content and lie beside it, "" without any.
    """

    path: Path
    kind: str
    content: tuple[Path, ...]
    manifest: Path | None = None
    view: str = ""

    @property
    def name(self) -> str:
        """A name for the set on a board."""
        plain = re.fullmatch(r"(images|labels)(_best)?|exact", self.path.stem)
        stem = self.path.absolute().parent.name if plain else self.path.absolute().stem
        return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "set"

    def sha256(self) -> str:
        """Return the sha256 of a single file; for several files, of their names and sha256s."""
        parts = [(path.relative_to(self.base).as_posix(), _sha256(path)) for path in self.content]
        if len(parts) == 1:
            return parts[0][1]
        return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in parts).encode()).hexdigest()

    @property
    def base(self) -> Path:
        """The folder in which all files are."""
        return self.path if self.path.is_dir() else self.path.parent


def locate(path: Path) -> SetFiles:
    """Find the files of the set at `path`, a file or a folder; raises ValueError where it is neither.

    Of an exported set the artefact itself is taken, which has all fields.
    """
    found = _folder(path) if path.is_dir() else _file(path)
    exact = (path if path.is_dir() else path.parent) / EXACT
    if found.kind != "safetensors" and exact.is_file() and exact.with_suffix(".json").is_file():
        found = SetFiles(path, "safetensors", (exact,), exact.with_suffix(".json"), found.sha256())
    sizes = [file.stat().st_size for file in found.content]
    if empty := [file for file, size in zip(found.content, sizes, strict=True) if not size]:
        raise ValueError(f"{empty[0]} is empty")
    if sum(sizes) > LIMIT:
        raise ValueError(_too_large(path))
    return found


def _file(path: Path) -> SetFiles:
    if not path.is_file():
        raise ValueError(f"no file or folder at {path}")
    suffix = path.suffix.lower()
    if suffix in _TORCH:
        return SetFiles(path, "torch", (path, *_beside(path)))
    if suffix not in _KINDS:
        known = ", ".join(sorted({*_TORCH, *_KINDS}))
        raise ValueError(f"{path} has an unknown ending (known: {known}), and is not a folder")
    beside = path.with_suffix(".json")
    manifest = beside if suffix == ".safetensors" and beside.is_file() else None
    return SetFiles(path, _KINDS[suffix], (path,), manifest)


def _beside(images: Path) -> Iterator[Path]:
    """Yield the files of labels and of the learned rate beside one of images, as far as they exist."""
    if IMAGES in images.name:
        own = (images.name.replace(IMAGES, what, 1) for what in (LABELS, LR))
        for name in dict.fromkeys([*own, f"{LR}{images.suffix}"]):
            if (images.parent / name).is_file():
                yield images.parent / name


def _folder(path: Path) -> SetFiles:
    there = _listed(path)
    names = {each.name for each in there}
    for name in ("images_best.pt", "images.pt"):
        if name in names:
            if (labels := name.replace(IMAGES, LABELS)) not in names:
                raise ValueError(f"{path} has {name}, but no {labels}")
            return SetFiles(path, "torch", (path / name, *_beside(path / name)))
    for folder in (path, *(path / name for name in ("train", "data") if name in names)):
        inside = [each for each in _listed(folder) if each.is_file()]
        for suffix, kind in ((".arrow", "arrow"), (".parquet", "parquet")):
            if files := tuple(each for each in inside if each.suffix == suffix):
                train = tuple(file for file in files if file.name.startswith("train"))
                return SetFiles(path, kind, train or files)
    classes = (each for each in there if each.name[0] not in "._" and each.is_dir())
    if files := tuple(_at_most(_pictures(classes), path)):
        return SetFiles(path, "folder", files)
    if EXACT in names:
        return _file(path / EXACT)
    shown = ", ".join(each.name for each in there[:_SHOWN]) or "nothing"
    raise ValueError(
        f"{path} holds no distilled set: images_best.pt and labels_best.pt, .arrow or .parquet files, "
        f"or a folder of images for each class; it has {shown}"
    )


def _pictures(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for file in _listed(folder):
            if file.suffix.lower() in PICTURES and file.name[0] != "." and file.is_file():
                yield file


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; [] if it is none."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(_at_most((folder / entry.name for entry in entries), folder))


def _at_most(files: Iterable[Path], where: Path) -> list[Path]:
    found = list(islice(files, FILES + 1))
    if len(found) > FILES:
        raise ValueError(f"{where} has more than {FILES} files, which is the limit")
    return found


def snapshot(found: SetFiles, folder: Path) -> SetFiles:
    """Copy the files of a set into a folder of the caller's; return the copies.

    Who then reads and hashes the copies has the same bytes in both, whatever happens to the files meanwhile.
    Raises ValueError for what is not a plain file, and above the limit.
    """
    base, left = found.base, LIMIT
    files = (*found.content, *filter(None, [found.manifest]))
    for parent in {path.parent for path in files}:
        (folder / parent.relative_to(base)).mkdir(parents=True, exist_ok=True)

    def copied(path: Path) -> Path:
        nonlocal left
        target = folder / path.relative_to(base)
        with _opened(path) as source, target.open("xb", buffering=0) as copy:
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(_too_large(found.path))
                copy.write(chunk)
        return target

    content = tuple(copied(path) for path in found.content)
    manifest = copied(found.manifest) if found.manifest else None
    at = folder if base == found.path else folder / found.path.name
    return replace(found, path=at, content=content, manifest=manifest)


def _opened(path: Path) -> BufferedReader:
    """Open a plain file; raises ValueError for another one, such as a pipe, which might never end."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path} is not a plain file")
    return BufferedReader(FileIO(handle), _CHUNK)


def _too_large(path: Path) -> str:
    return f"{path} has more than {LIMIT >> 20} MiB, which is the limit for a foreign set"


def _sha256(path: Path) -> str:
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
