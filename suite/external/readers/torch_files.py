"""Files written by torch: MTT's pair of images and labels, DC's dict of runs, IDC's list, a dict of fields.

torch reads tensors and plain containers from them and executes nothing. Zip files are first checked to be
files that torch can write: without compressed parts, and without parts larger than the file.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.external.locate import IMAGES, LABELS
from suite.external.readers import layouts
from suite.external.validate import Contents, Refused, Wanted, check_dense

_MEMBERS = 10_000
_FACTOR = "a list as IDC's does not say whether its images are multi-formations; --factor 2 decodes them"
_READ = "{'data': [[images, labels], …]}, [images, labels] nor {'images': …, 'labels': …}"


def read(files: Sequence[Path], wanted: Wanted) -> Contents:
    """Read images with the files of labels and of the learned rate beside them, or one file with all fields.

    DC, DSA, DM and DataDAM append [images, labels] to `data` in each run; IDC's file is such a list. Raises
    Refused for a file with anything else, and says what it holds.
    """
    beside = [path for path in files[1:] if path.name != _labels_of(files[0])]
    return _with_rates(_contents(files, wanted), {path.name: _load(path) for path in beside})


def _contents(files: Sequence[Path], wanted: Wanted) -> Contents:
    first = _load(files[0])
    if isinstance(first, Tensor):
        return _one_run(_with_labels(first, files), wanted)
    if isinstance(first, list | tuple) and len(first) == 2 and isinstance(first[0], Tensor):
        return _one_run(Contents("idc", *_pair(first, "the file"), notes=(_FACTOR,)), wanted)
    if isinstance(first, dict):
        data = first.get("data")
        if isinstance(data, list | tuple) and data:
            return _with_rates(_run(data, wanted), _rates(first))
        if isinstance(first.get(layouts.optional(layouts.IMAGES, first)), Tensor):
            return _one_run(_fields(first), wanted)
    raise Refused(f"the file has neither a tensor nor {_READ}; it holds {layouts.described(first)}")


def _labels_of(images: Path) -> str:
    return images.name.replace(IMAGES, LABELS, 1)


def _with_labels(images: Tensor, files: Sequence[Path]) -> Contents:
    """Return images with the labels in the file beside them."""
    labels = [path for path in files[1:] if path.name == _labels_of(files[0])]
    if not labels:
        raise Refused("a tensor of images needs its labels beside it, as images_best.pt has labels_best.pt")
    return Contents("mtt", images, check_dense(_load(labels[0]), "labels"))


def _run(data: Sequence[Any], wanted: Wanted) -> Contents:
    """Return the wanted run of a DC-style list, or the last one."""
    if all(isinstance(each, Tensor) for each in data):
        return _one_run(Contents("dc", *_pair(data, "'data'")), wanted)
    last = len(data) - 1
    run = last if wanted.run is None else wanted.run
    if run > last:
        raise Refused(f"--run {run}: the file has the runs 0 to {last}")
    notes = (f"run {run} of the runs 0 to {last} is read; --run chooses another",) if last else ()
    return Contents("dc", *_pair(data[run], f"run {run}"), notes=notes)


def _one_run(contents: Contents, wanted: Wanted) -> Contents:
    if wanted.run:
        raise Refused(f"--run {wanted.run}: the file has one set; leave --run out")
    return contents


def _fields(found: Mapping[str, Any]) -> Contents:
    """Return the set of a dict by the names of its fields, such as those of a `SyntheticSet`."""
    kinds = {name: layouts.described(value) for name, value in found.items() if isinstance(name, str)}
    images = layouts.images_field(kinds, "the file")
    labels = {
        name: check_dense(found[name], f"field {name!r}")
        for name in layouts.label_fields(kinds)
        if isinstance(found[name], Tensor)
    }
    if not labels:
        raise Refused(f"the file has images but no tensor of labels; it holds {layouts.described(found)}")
    targets, classes = layouts.classes_and_targets(labels, "the file")
    made = Contents(
        "dict",
        check_dense(found[images], "images"),
        targets,
        classes,
        layouts.class_names(found),
        manifest={"minibatch": layouts.minibatch(found["minibatch"])} if found.get("minibatch") else {},
    )
    return _with_rates(made, _rates(found))


def _rates(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields of a dict that have a learned rate."""
    named = {name: value for name, value in found.items() if isinstance(name, str)}
    return {name: value for name, value in named.items() if name.lower() in layouts.LR and value is not None}


def _with_rates(contents: Contents, found: Mapping[str, Any]) -> Contents:
    """Return contents with the learned rate of fields, or files beside them; raises Refused for several."""
    rates = {name: layouts.rate(value) for name, value in found.items()}
    if not rates:
        return contents
    own = {} if contents.lr is None else {"the file itself": contents.lr}
    if len({*own.values(), *rates.values()}) > 1:
        told = " and ".join(f"{rate:g} in {name}" for name, rate in (own | rates).items())
        raise Refused(f"the learned rate is {told}; leave the one that counts")
    rate = next(iter(rates.values()))
    return replace(
        contents,
        lr=rate,
        notes=(*contents.notes, f"the learned rate {rate:.4g} of {' and '.join(rates)} is read"),
    )


def _pair(entry: object, where: str) -> tuple[Tensor, Tensor]:
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        there = layouts.described(entry)
        raise Refused(f"{where} has neither a tensor nor {_READ}; it is {there}")
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


class NumpyScalar:
    """Stands for numpy's scalars, such as the accuracies in a DC-style dict, which are not needed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Take no state."""


_STAND_INS: list[Any] = [
    NumpyScalar,
    (NumpyScalar, "numpy.dtype"),
    (NumpyScalar, "numpy.core.multiarray.scalar"),
    (NumpyScalar, "numpy._core.multiarray.scalar"),
]
