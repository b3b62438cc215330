"""Folders called by the classes: names that every file system takes, in the order of the classes.

A name is its class's, with what a file system may refuse as %XX, the bytes of UTF-8. If the names would not
sort as the classes do, each begins with the number of its class: other software numbers classes by sorting.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from suite.core.files.atomic_write import write_bytes
from suite.core.names import is_device
from suite.external.writers.pictures import png

LONGEST = 200
"""Bytes of a name; file systems take 255. The rest of a longer one is left out."""

_ODD = frozenset('%/\\:*?"<>|')
_BESIDE = {"readme.md", "exact.json", "exact.safetensors"}
"""The files beside the folders."""


def class_folders(names: Sequence[str]) -> list[str]:
    """Return the name of each class's folder; they differ, also without case, and sort as the classes do."""
    plain = [_plain(name) for name in names]
    alone = len({name.casefold() for name in plain}) == len(plain) and all(plain)
    if alone and plain == sorted(plain):
        return plain
    digits = len(str(len(names) - 1))
    return [f"{number:0{digits}} {name}".rstrip() for number, name in enumerate(plain)]


def write_folders(pixels: Tensor, names: Sequence[str], output: Path) -> None:
    """Write PNGs of bytes (classes, ipc, channels, height, width) into the folders of their classes."""
    for folder, images in zip(class_folders(names), pixels, strict=True):
        for number, image in enumerate(images):
            write_bytes(output / folder / f"{number:04}.png", png(image), sync=False)


def _plain(name: str) -> str:
    composed = unicodedata.is_normalized("NFC", name)  # some file systems compose the others
    odd = [not each.isprintable() or each in _ODD or not (composed or each.isascii()) for each in name]
    if name:
        odd[0] |= is_device(name) or name[0] in " ._" or name.casefold() in _BESIDE
        odd[-1] |= name[-1] in " ."
    escaped = "".join(_escaped(each) if is_odd else each for each, is_odd in zip(name, odd, strict=True))
    if len(escaped.encode()) <= LONGEST:
        return escaped
    return re.sub("%.?$", "", escaped.encode()[:LONGEST].decode(errors="ignore")).rstrip(" .")


def _escaped(each: str) -> str:
    return "".join(f"%{byte:02X}" for byte in each.encode("utf-8", "surrogatepass"))
