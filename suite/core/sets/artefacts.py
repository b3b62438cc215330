"""Distilled sets on disk: a safetensors file with its manifest, checked when it is read."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from suite.core.data import tasks
from suite.core.files.atomic_write import DiskFault, read_bytes, write_bytes
from suite.core.files.documents import read_json
from suite.core.names import TEACHER
from suite.core.sets import parametrisations, sealing
from suite.core.sets.manifest import facts
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, Teacher
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
    its kind and settings. Raises DiskFault if the disk does not take them.
    """
    code = synthetic.parametrisation
    stored = {"images": synthetic.images} if code is None else code.tensors
    stored |= {"labels": synthetic.labels, **synthetic.teachers_by_name}
    tensors = {name: value.cpu().contiguous() for name, value in stored.items()}
    file = save(tensors)  # in memory: safetensors tells a full disk by an error of its own
    sha256 = hashlib.sha256(file).hexdigest()
    write_bytes(path, file, replace=True)
    content = {**manifest, "minibatch": asdict(synthetic.minibatch), "sha256": sha256}
    content |= {} if code is None else {"parametrisation": parametrisations.describe(code)}
    content |= {} if synthetic.lr is None else {"lr": synthetic.lr}
    content |= {"teachers": [each.network for each in synthetic.teachers]} if synthetic.teachers else {}
    write_bytes(path.with_suffix(".json"), sealing.to_json(content).encode(), replace=True)
    return sha256


def load_artefact(path: Path) -> tuple[SyntheticSet, dict[str, Any]]:
    """Read a set and its manifest; raises ValueError if either is missing or damaged, or DiskFault."""
    try:
        manifest: dict[str, Any] = read_json(path.with_suffix(".json"))
        content, sha256, minibatch = read_bytes(path), manifest["sha256"], Minibatch(**manifest["minibatch"])
    except DiskFault:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"artefact {path}: the file or its manifest cannot be read: {error}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"artefact {path} does not match the sha256 in its manifest")
    lr, data = manifest.get("lr"), str(manifest.get("data", ""))
    try:
        tensors = load(content)
        about = manifest.get("parametrisation")
        code = None if about is None else parametrisations.read(about, tensors)
        images = tensors["images"] if code is None else parametrisations.decoded(code)
        teachers = tuple(
            Teacher(str(name), tensors[f"{TEACHER}{at}"])
            for at, name in enumerate(manifest.get("teachers", ()))
        )
        return SyntheticSet(images, tensors["labels"], minibatch, code, lr, data, teachers), manifest
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, SafetensorError) as error:
        raise ValueError(f"artefact {path}: its set cannot be read: {error}") from None
