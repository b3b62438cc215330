"""Find the files of a foreign set, and their kind, by names and sizes alone."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from suite.core.data.reading.decoding import PICTURES

LIMIT = 256 * 2**20
"""Limit in bytes for all files of a set, and for each tensor."""

FILES = 100_000
"""Largest number of files of one set."""

IMAGES, LABELS, LR = "images", "labels", "lr"
"""What files of torch are called by what they hold: images_best.pt, labels_best.pt, lr_best.pt or lr.pt."""

EXACT = "exact.safetensors"
"""The artefact in a folder that was exported from it, with its manifest `exact.json`."""

_SHOWN = 6
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
        parts = [(path.relative_to(self._base).as_posix(), _sha256(path)) for path in self.content]
        if len(parts) == 1:
            return parts[0][1]
        return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in parts).encode()).hexdigest()

    @property
    def _base(self) -> Path:
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
        raise ValueError(f"{path} has {sum(sizes) >> 20} MiB; the limit for a foreign set is {LIMIT >> 20}")
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
    for name in ("images_best.pt", "images.pt"):
        if (images := path / name).is_file():
            if not (path / (labels := name.replace(IMAGES, LABELS))).is_file():
                raise ValueError(f"{path} has {name}, but no {labels}")
            return SetFiles(path, "torch", (images, *_beside(images)))
    for folder in (path, path / "train", path / "data"):
        for suffix, kind in ((".arrow", "arrow"), (".parquet", "parquet")):
            if files := _listed(folder.glob(f"*{suffix}"), path):
                train = tuple(file for file in files if file.name.startswith("train"))
                return SetFiles(path, kind, train or files)
    pictures = (
        file
        for file in path.glob("*/*")
        if file.suffix.lower() in PICTURES and not (file.name[0] == "." or file.parent.name[0] in "._")
    )
    if files := _listed(pictures, path):
        return SetFiles(path, "folder", files)
    if (path / EXACT).is_file():
        return _file(path / EXACT)
    there = ", ".join(sorted(islice((each.name for each in path.iterdir()), _SHOWN))) or "nothing"
    raise ValueError(
        f"{path} holds no distilled set: images_best.pt and labels_best.pt, .arrow or .parquet files, "
        f"or a folder of images for each class; it has {there}"
    )


def _listed(files: Iterable[Path], path: Path) -> tuple[Path, ...]:
    listed = tuple(islice((file for file in files if file.is_file()), FILES + 1))
    if len(listed) > FILES:
        raise ValueError(f"{path} has more than {FILES} files, which is the limit")
    return tuple(sorted(listed))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
