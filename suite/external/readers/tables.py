"""Files of other libraries: RaT-BPTT's HDF5 files, and our safetensors files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from suite.core.sets import parametrisations
from suite.external.locate import LIMIT
from suite.external.validate import Contents, Refused, Wanted, check_images

_MANIFEST = 2**20  # bytes


def read_h5(path: Path, wanted: Wanted) -> Contents:
    """Read `data`, one flat image per row, and `label` if labels were learned; else it is class-major.

    Raises Refused for a damaged file, or other arrays.
    """
    try:
        with h5py.File(path, "r") as file:
            data = _dataset(file, "data")
            check_images(data.shape, wanted)
            return Contents(
                "h5", _values(data), _values(_dataset(file, "label")) if "label" in file else None
            )
    except (OSError, KeyError, RuntimeError) as error:
        raise Refused(f"{path.name} is damaged, or not an HDF5 file: {error}") from None


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of plain numbers that is stored in this file and is not too large."""
    link = file.get(name, getlink=True)
    if link is None:
        raise Refused(f"the file has no {name!r}; RaT-BPTT's have 'data' and perhaps 'label'")
    found = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise Refused(f"{name!r} links to another file or dataset; store the numbers themselves")
    if found.dtype.kind not in "fiu" or found.shape is None:
        raise Refused(f"{name!r} is of type {found.dtype}; numbers are read")
    if found.size * found.dtype.itemsize > LIMIT:
        raise Refused(
            f"{name!r} claims {found.size * found.dtype.itemsize >> 20} MiB; the limit is {LIMIT >> 20}"
        )
    return found


def _values(found: h5py.Dataset) -> Tensor:
    array = found[()]
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype("i8")  # torch does little with larger unsigned numbers
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def read_safetensors(path: Path, manifest: Path | None) -> Contents:
    """Read `images` and `labels` of our artefacts, and the manifest if it exists.

    Raises Refused for a damaged file, or one without images.
    """
    facts = _facts(path, manifest) if manifest else {}
    try:
        with safe_open(path, framework="pt") as file:
            if parametrisations.is_factorised(file.keys()):
                remedy = "`ratbench export --format pt` decodes it"
                raise Refused(f"{path.name} is factorised and stores no images; {remedy}")
            if missing := {"images", "labels"} - set(file.keys()):
                raise Refused(f"the file has no tensor {sorted(missing)[0]!r}")
            return Contents("safetensors", file.get_tensor("images"), file.get_tensor("labels"), facts)
    except (SafetensorError, OSError) as error:
        raise Refused(f"{path.name} is damaged, or not a safetensors file: {error}") from None


def _facts(path: Path, manifest: Path) -> dict[str, Any]:
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
    return {key: facts[key] for key in ("preprocessing", "data", "minibatch") if key in facts}
