"""Files written by torch: MTT's pair of images and labels, and the dict of DC, DSA and DM.

torch reads tensors and plain containers from them and executes nothing. Zip files are first checked to be
files that torch can write: without compressed parts, and without parts larger than the file.
"""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.external.validate import Contents, Refused, Wanted, check_dense

_MEMBERS = 10_000


def read(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read `images` and the labels beside them, or {'data': [[images, labels], …]}, its last entry.

    DC, DSA and DM append one entry per experiment. Raises Refused for a file with anything else.
    """
    first = _load(files[0])
    if isinstance(first, Tensor):
        if len(files) < 2:
            raise Refused(
                "a tensor of images needs its labels beside it, as images_best.pt has labels_best.pt"
            )
        return Contents("mtt", first, check_dense(_load(files[1]), "labels"))
    return Contents("dc", *_pair(first))


def _pair(value: object) -> tuple[Tensor, Tensor]:
    """Return the last (images, labels) of a DC-style dict; ignore everything else."""
    data = value.get("data") if isinstance(value, dict) else None
    entry = data[-1] if isinstance(data, list | tuple) and data else None
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise Refused("the file has neither a tensor nor {'data': [[images, labels], …]}; save one of them")
    return check_dense(entry[0], "images"), check_dense(entry[1], "labels")


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        _check_zip(path)
    with torch.serialization.safe_globals(_STAND_INS):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:
            raise Refused(_reason(str(error), path)) from None


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # damaged in three ways
        raise Refused(f"{path.name} is a damaged zip file: {error}") from None
    names = {member.filename for member in members}
    if len(members) > _MEMBERS or len(names) < len(members):
        raise Refused(
            f"{path.name} has {len(members)} parts with {len(names)} names; a file of torch has one name for"
            f" each part, and at most {_MEMBERS} are read"
        )
    if any(
        each.compress_type != zipfile.ZIP_STORED or each.compress_size != each.file_size for each in members
    ):
        raise Refused(f"{path.name} has compressed parts, which torch never writes; save it with torch.save")
    size, stated = path.stat().st_size, sum(member.file_size for member in members)
    if stated > size:
        raise Refused(f"{path.name} has parts larger than itself: {stated} bytes in a file of {size}")


def _reason(text: str, path: Path) -> str:
    if "allocate" in text:
        return f"{path.name} needs more memory than a foreign set may take"
    if found := re.search(r"GLOBAL ([\w.]+)", text):
        return f"{path.name} holds more than tensors ({found[1][:60]}); none of it was executed"
    return f"{path.name} is damaged, or not a file of tensors by torch"


class _Nothing:
    """Replaces numpy's scalars, such as the accuracies in a DC-style dict, which are not needed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Take no state."""


_STAND_INS: list[Any] = [
    _Nothing,
    (_Nothing, "numpy.dtype"),
    (_Nothing, "numpy.core.multiarray.scalar"),
    (_Nothing, "numpy._core.multiarray.scalar"),
]
