"""Arrays of other libraries: HDF5 files such as RaT-BPTT's, numpy's .npz, and our safetensors files."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from suite.core.sets import parametrisations
from suite.core.sets.parametrisations import Parametrisation
from suite.core.sets.part import size_of
from suite.external.locate import LIMIT
from suite.external.readers import layouts
from suite.external.validate import Contents, Refused, Wanted, check_images

_MANIFEST = 2**20  # bytes
_FACTS = ("preprocessing", "data", "minibatch")


def read_h5(path: Path, wanted: Wanted) -> Contents:
    """Read images (`data` in RaT-BPTT's files) and labels if there are any; else the images are class-major.

    Raises Refused for a damaged file, or other arrays.
    """
    try:
        with h5py.File(path, "r") as file:
            kinds = {name: _kind(file, name) for name in file}
            return _arrays("h5", kinds, lambda name: _dataset(file, name), wanted)
    except (OSError, KeyError, RuntimeError) as error:
        raise Refused(f"{path.name} is damaged, or not an HDF5 file: {error}") from None


def read_npz(path: Path, wanted: Wanted) -> Contents:
    """Read arrays of images and labels from a file by `numpy.savez`; objects are not loaded.

    Raises Refused for a damaged file, or other arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
            stated = sum(member.file_size for member in archive.infolist())
            if stated > LIMIT:
                raise Refused(f"{path.name} unpacks to {stated >> 20} MiB; the limit is {LIMIT >> 20}")
            kinds = dict.fromkeys(file.files, "an array")
            return _arrays("npz", kinds, lambda name: _plain(file, name), wanted)
    except (OSError, KeyError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"{path.name} is damaged, or not a file by numpy.savez: {error}") from None


def _arrays(format: str, kinds: Mapping[str, str], load: Callable[[str], Any], wanted: Wanted) -> Contents:
    """Return the set whose fields are arrays; `load` returns one by its name, for h5 before it is read."""
    where = f"the {format} file"
    if wanted.run:
        raise Refused(f"--run {wanted.run}: the file has one set; leave --run out")
    images = load(layouts.images_field(kinds, where))
    check_images(images.shape, wanted)
    labels, names = dict[str, Tensor](), tuple[str, ...]()
    for name in layouts.label_fields(kinds):
        array = load(name)
        if array.dtype.kind in "US":
            labels[name], names = layouts.coded(array[()].astype("U").ravel().tolist())
        else:
            labels[name] = _values(array)
    targets, classes = layouts.classes_and_targets(labels, where)
    lr = layouts.optional(layouts.LR, kinds)
    rate = layouts.rate(_values(load(lr))) if lr else None
    names = names or layouts.class_names({name: _named(load(name)) for name in layouts.name_fields(kinds)})
    notes = (f"the learned rate {rate:.4g} is read",) if rate else ()
    return Contents(format, _values(images), targets, classes, names, rate, notes=notes)


def _kind(file: h5py.File, name: str) -> str:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return "a link"
    found = file[name]
    return f"numbers {_shape(found.shape)}" if isinstance(found, h5py.Dataset) else "a group"


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of plain numbers that is stored in this file and is not too large."""
    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise Refused(f"{name!r} links to another file or dataset; store the numbers themselves")
    _check_type(name, found)
    return found


def _plain(file: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        found: np.ndarray[Any, Any] = file[name]
    except ValueError as error:
        raise Refused(f"{name!r} cannot be read as plain numbers; none of it was executed: {error}") from None
    _check_type(name, found)
    return found


def _check_type(name: str, found: Any) -> None:
    if found.dtype.kind not in "fiuUS" or found.shape is None:
        raise Refused(f"{name!r} is of type {found.dtype}; numbers are read")
    if found.size * found.dtype.itemsize > LIMIT:
        raise Refused(
            f"{name!r} claims {found.size * found.dtype.itemsize >> 20} MiB; the limit is {LIMIT >> 20}"
        )


def _values(found: Any) -> Tensor:
    array = np.asarray(found[()])
    if array.dtype.kind in "US":
        raise Refused(f"an array is of type {array.dtype}; numbers are read")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype("i8")  # torch does little with larger unsigned numbers
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def _named(found: Any) -> object:
    """Return an array of names as a list, a number as such, anything else as a tensor."""
    if found.dtype.kind in "US":
        return found[()].astype("U").tolist()
    values = _values(found)
    return values if values.ndim else values.item()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "×".join(map(str, (shape or ())[:6])) or "of one number"


def read_safetensors(path: Path, manifest: Path | None, wanted: Wanted, view: str = "") -> Contents:
    """Read our artefacts with all that their manifest says, or the images and labels of other files.

    view: digest of the exported files beside it, "" without any.
    Raises Refused for a damaged file, or one without images.
    """
    if wanted.run:
        raise Refused(f"--run {wanted.run}: the file has one set; leave --run out")
    facts = _facts(path, manifest, view) if manifest else {}
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if parametrisations.is_factorised(names):
                return _factorised({name: file.get_tensor(name) for name in names}, facts, path, wanted)
            kinds = {name: f"a tensor {_shape(tuple(file.get_slice(name).get_shape()))}" for name in names}
            images = layouts.images_field(kinds, "the file")
            if not (found := layouts.label_fields(kinds)):
                raise Refused("the file has no tensor 'labels'")
            targets, classes = layouts.classes_and_targets(
                {name: file.get_tensor(name) for name in found}, "the file"
            )
            # Other software has no manifest: names may stand in the header, as text.
            header = {name: _parsed(text) for name, text in (file.metadata() or {}).items()}
            said = {name: file.get_tensor(name) for name in layouts.name_fields(kinds)}
            facts = facts or {"class_names": layouts.class_names({**header, **said})}
            lr = layouts.optional(layouts.LR, kinds)
            own = layouts.rate(file.get_tensor(lr)) if lr else None
            if own is None and (said_in := layouts.optional(layouts.LR, header)):
                own = layouts.rate(header[said_in])
            return _with_facts(file.get_tensor(images), targets, classes, None, facts, own)
    except (SafetensorError, OSError) as error:
        raise Refused(f"{path.name} is damaged, or not a safetensors file: {error}") from None


def _factorised(
    tensors: Mapping[str, Tensor], facts: Mapping[str, Any], path: Path, wanted: Wanted
) -> Contents:
    """Return the set that a code decodes to, if it fits the task; the code stays with it."""
    description = facts.get("parametrisation")
    if not isinstance(description, dict) or not isinstance(description.get("settings"), dict):
        remedy = f"put the artefact's {path.stem}.json beside it"
        raise Refused(f"{path.name} is factorised, and how it is decoded stands in its manifest; {remedy}")
    try:
        code = parametrisations.read(description, tensors)
        images = code.decode()
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise Refused(f"{path.name} cannot be decoded: {error}") from None
    return _with_facts(images, tensors.get("labels"), None, code, facts)


def _with_facts(
    images: Tensor,
    labels: Tensor | None,
    classes: Tensor | None,
    code: Parametrisation | None,
    facts: Mapping[str, Any],
    lr: float | None = None,
) -> Contents:
    said = {key: facts[key] for key in _FACTS if key in facts}
    if facts.get("teachers"):
        said["teachers"] = True
    if "minibatch" in said:
        said["minibatch"] = layouts.minibatch(said["minibatch"])
    if (size := size_of(facts)) is not None:
        said["ipc"] = size
    rate = layouts.rate(facts["lr"]) if facts.get("lr") is not None else lr
    return Contents(
        "safetensors",
        images,
        labels,
        classes,
        class_names=layouts.class_names({"class_names": facts.get("class_names")}),
        lr=rate,
        code=code,
        manifest=said,
        notes=(f"the learned rate {rate:.4g} is read",) if rate else (),
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _facts(path: Path, manifest: Path, view: str) -> dict[str, Any]:
    """Return the facts of the manifest, which must belong to this file."""
    if manifest.stat().st_size > _MANIFEST:
        raise Refused(f"{manifest.name} is larger than a manifest may be ({_MANIFEST} bytes)")
    try:
        facts = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError):
        raise Refused(f"{manifest.name} is not JSON") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("preprocessing"), dict):
        raise Refused(f"{manifest.name} is not a manifest: it has no preprocessing")
    if hashlib.sha256(path.read_bytes()).hexdigest() != facts.get("sha256"):
        raise Refused(f"{path.name} does not match the sha256 in its manifest")
    if view and facts.get("exported", view) != view:
        raise Refused(
            f"the files beside {path.name} are no longer those exported with it; delete {path.name} to read "
            "them as they are"
        )
    return facts
