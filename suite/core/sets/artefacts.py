"""Distilled sets on disk: a safetensors file with its manifest, checked when it is read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from suite.core.data import tasks
from suite.core.data.atomic_write import write_bytes, write_whole
from suite.core.sets import parametrisations
from suite.core.sets.manifest import facts
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Task


def save_set(synthetic: SyntheticSet, path: Path | str, task: Task) -> None:
    """Write a set that was distilled from `task` to `path`, which ends in .safetensors, and its manifest.

    The manifest is a .json beside it, with the preprocessing of the images and Python code that loads them
    without this package. Raises ValueError if the file exists, the name has another ending, or the set is of
    other data.
    """
    tasks.check_data(synthetic, task)
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: the name of a set's file ends in .safetensors")
    if path.exists():
        raise ValueError(f"{path} exists; choose another name")
    write_artefact(path, synthetic, facts(task, path.name, synthetic.parametrisation))


def load_set(path: Path | str) -> SyntheticSet:
    """Read a set written by `save_set` or `ratbench run`; raises ValueError if it is missing or damaged."""
    if not Path(path).is_file():
        raise ValueError(f"no file {path}")
    return load_artefact(Path(path))[0]


def write_artefact(path: Path, synthetic: SyntheticSet, manifest: dict[str, Any]) -> str:
    """Write a set, and its manifest beside it; return the sha256 of its file.

    The file of a factorised set holds its parametrisation's tensors in place of images, and the manifest
    its kind and settings.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    code = synthetic.parametrisation
    stored = {"images": synthetic.images} if code is None else code.tensors
    tensors = {
        name: value.cpu().contiguous() for name, value in (stored | {"labels": synthetic.labels}).items()
    }
    write_whole(path, lambda partial: save_file(tensors, partial))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    content = {**manifest, "minibatch": asdict(synthetic.minibatch), "sha256": sha256}
    content |= {} if code is None else {"parametrisation": parametrisations.describe(code)}
    content |= {} if synthetic.lr is None else {"lr": synthetic.lr}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_bytes(path.with_suffix(".json"), text.encode(), replace=True)
    return sha256


def load_artefact(path: Path) -> tuple[SyntheticSet, dict[str, Any]]:
    """Read a set and its manifest; raises ValueError if either is missing or damaged."""
    try:
        manifest: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        content, sha256, minibatch = path.read_bytes(), manifest["sha256"], Minibatch(**manifest["minibatch"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"artefact {path}: the file or its manifest cannot be read: {error}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"artefact {path} does not match the sha256 in its manifest")
    lr, data = manifest.get("lr"), str(manifest.get("data", ""))
    try:
        tensors = load_file(path)
        if "parametrisation" not in manifest:
            return SyntheticSet(tensors["images"], tensors["labels"], minibatch, None, lr, data), manifest
        code = parametrisations.read(manifest["parametrisation"], tensors)
        return SyntheticSet(code.decode(), tensors["labels"], minibatch, code, lr, data), manifest
    except (ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise ValueError(f"artefact {path}: its set cannot be read: {error}") from None


def is_whole(path: Path, trial: Mapping[str, Any]) -> bool:
    """Return whether `path` is an undamaged set of this trial, which is given as its cell's JSON."""
    try:
        return bool(load_artefact(path)[1]["trial"] == trial)
    except (ValueError, KeyError):
        return False
