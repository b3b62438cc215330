"""The sets of a store: file, manifest and record agree, and the set keeps to its task and budget.

Sets are read as numpy arrays and not decoded, so that a hostile file needs no more memory than its own size.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose, prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from suite.core.names import TEACHER, counted
from suite.core.sets import sealing
from suite.records.audit.documents import parsed, sha256
from suite.records.audit.findings import Findings
from suite.records.audit.known import TaskFacts
from suite.records.cells import Trial
from suite.records.record import Record
from suite.records.stores.reading import reason

LOADERS = frozenset(
    {
        "4095d6abff996bf288eafc2ed33e42286a590a11b3dafa8f526483e7598e7187",  # plain sets
        "34f90e440805266d5ac9fc234728c44c9ac7f9955d7666c072273d83d39ed869",  # linear ones
        "dc33b4d86e30c8c599d3e5731f33a2b10336b748d64a28eab07f6cea07c1889f",  # multi-formations
        "6745e895d9e779e446c8566676985a2489dc3aba8db338e92be3ba893d79c80a",  # frequencies
        "23fdd1dc3f21ab6caf8dac53145fd1a9673ebdc56477578c75106798dd37f7b4",  # quantised plain sets
        "12d059f5fa5ea5da4a0e671234cc52b6df33702d0965e5b10b262d9d13b068af",  # quantised linear ones
        "9fb1bab1959371937d7d483a2d2579ad570555457149dcfcb64a429dcb90e204",  # quantised multi-formations
        "e40bc0a08dccb0402a3dee0b2629147326a300626fafbeb9ec83d7a470114120",  # quantised frequencies
    }
)
"""The sha256 of all loaders that releases wrote into manifests, with `NAME` as the name of the file."""

_LARGEST = 2**34  # bytes of a set's file
_LARGEST_ROW = 2**28  # bytes of one class


@dataclass(frozen=True)
class Stored:
    """What a set's file holds. shape: of an image, () for a factorised set; hard: whether all labels are.

    stored_bytes: without those of the teachers.
    """

    classes: int
    images: int
    shape: tuple[int, ...]
    stored_bytes: int
    hard: bool
    teachers: int = 0
    teacher_bytes: int = 0


def check(path: Path, record: Record | None, task: TaskFacts | None, found: Findings) -> bool:
    """Report what is wrong with a set and its manifest; return whether the manifest has a seal.

    record: of its trial, None for a snapshot, since no record has its sha256; task: None if unknown.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 30} GiB")
        digest, facts = sha256(path), parsed(path.with_suffix(".json"))
    except (OSError, ValueError) as error:
        found.error("set", path, f"the set or its manifest cannot be read: {reason(error)}")
        return True
    found.checked["set" if record else "snapshot"] += 1
    try:
        sealing.check(facts)
    except ValueError as error:
        found.error("manifest", path.with_suffix(".json"), str(error))
    if digest != facts.get("sha256"):
        found.error("set", path, "its content does not match the sha256 in its manifest")
    if record is not None and digest != record.artefact:
        found.error("set", path, f"it is not the set of its record, which has sha256 {record.artefact[:12]}")
    trial = _check_manifest(path, facts, record, found)
    try:
        stored = read(path)
    except (OSError, ValueError, SafetensorError) as error:
        found.error("set", path, f"it is not a set: {reason(error)}")
        return sealing.SEAL in facts
    if trial is not None:
        for each in wrong(stored, trial, task, facts, whole=record is not None):
            found.error("set", path, each)
    if record is not None:
        _compare(path, stored, record, found)
    return sealing.SEAL in facts


def read(path: Path) -> Stored:
    """Return what a set's file holds; it is read class by class. Raises ValueError for what is no set."""
    with safe_open(path, framework="np") as file:
        every = sorted(file.keys())
        names = [name for name in every if not name.startswith(TEACHER)]
        teachers = [file.get_slice(f"{TEACHER}{at}") for at in range(len(every) - len(names))]
        if "labels" not in names or len(names) < 2:
            raise ValueError(f"it has {', '.join(names) or 'nothing'}, not images and labels")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
        labels, images = shapes["labels"], shapes.get("images")
        if len(labels) != 3 or labels[0] != labels[2] or not prod(labels):
            raise ValueError(f"its labels are {labels}, not (classes, n, classes)")
        if images is not None and (len(images) != 5 or images[:2] != labels[:2] or len(names) > 2):
            raise ValueError(f"its images are {images}, its labels {labels}")
        for teacher in teachers:
            if teacher.get_dtype() != "F32" or len(teacher.get_shape()) != 1:
                raise ValueError("the weights of a teacher are not a row of float32 numbers")
            if not np.isfinite(teacher[:]).all():
                raise ValueError("the weights of a teacher are not finite")
        packed = {name for name in names if images is None and file.get_slice(name).get_dtype() == "U8"}
        hard = True
        for name in sorted({*names} - packed | {"labels"}):
            for at, block in enumerate(_blocks(file.get_slice(name), name, shapes[name])):
                if not np.isfinite(block).all():
                    raise ValueError(f"its {name} are not finite")
                if name == "labels":
                    if (block < 0).any() or not (block.sum(-1) > 0).all():
                        raise ValueError("one of its labels is negative, or all zero")
                    hard = hard and bool((block == np.eye(1, labels[2], at)).all())
    stored = {name: (1 if name in packed else 4) * prod(shape) for name, shape in shapes.items()}
    own = sum(size for name, size in stored.items() if name != "labels" or not hard)
    weights = sum(4 * prod(teacher.get_shape()) for teacher in teachers)
    shape = () if images is None else images[2:]
    return Stored(labels[0], labels[1], shape, own, hard, len(teachers), weights)


def _blocks(tensor: Any, name: str, shape: tuple[int, ...]) -> Iterator[Any]:
    """Yield the rows of a tensor; raises ValueError for another type than float32, and for huge rows."""
    if tensor.get_dtype() != "F32":
        raise ValueError(f"its {name} are {tensor.get_dtype()}, not float32")
    if not shape or 4 * prod(shape[1:]) > _LARGEST_ROW:
        raise ValueError(f"its {name} are {shape}, which no set has")
    for at in range(shape[0]):
        yield tensor[at : at + 1]


def _check_manifest(
    path: Path, facts: dict[str, Any], record: Record | None, found: Findings
) -> Trial | None:
    """Report a manifest that is not that of the file or of the record; return its trial."""
    try:
        trial = Trial.model_validate(facts.get("trial"))
    except ValueError:
        found.error("manifest", path.with_suffix(".json"), "it names no trial")
        return None
    if trial.id != path.stem[:64]:
        found.error("manifest", path.with_suffix(".json"), "its name is that of another trial")
    if record is not None and facts.get("data", "") not in ("", record.data):
        found.error("manifest", path.with_suffix(".json"), "its data are not those of the record")
    if record is not None and facts.get("label", record.label) != record.label:
        told = f"its set is one of {str(facts['label'])[:60]!r}, and the record's row is {record.label!r}"
        found.error("manifest", path.with_suffix(".json"), told)
    rate = facts.get("lr")
    if rate is not None and not (isinstance(rate, int | float) and 0 < rate < float("inf")):
        found.error("manifest", path.with_suffix(".json"), f"its learned rate is {json.dumps(rate)[:60]}")
    loader = facts.get("loader")
    if loader is not None and _digest(str(loader).replace(path.stem, "NAME")) not in LOADERS:
        told = "its loader is not one of RaT-Bench's: read it before you run it"
        found.doubt("loader", path.with_suffix(".json"), told)
    return trial


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def wrong(
    stored: Stored, trial: Trial, task: TaskFacts | None, facts: dict[str, Any], *, whole: bool
) -> list[str]:
    """Return what is not as the task, the budget or the manifest says. whole: False for a snapshot."""
    found, factorised = list[str](), "parametrisation" in facts
    if task is not None and stored.classes != task.classes:
        found.append(f"it has {stored.classes} classes, and {trial.task} has {task.classes}")
    if task is not None and stored.shape not in ((), task.shape):
        found.append(f"its images are {stored.shape}, those of {trial.task} {task.shape}")
    if isinstance(names := facts.get("class_names"), list) and len(names) != stored.classes:
        found.append(f"it has {stored.classes} classes, but its manifest names {len(names)}")
    if task is not None and facts.get("data") in task.data:
        for name, here in (("class_names", task.class_names), ("preprocessing", task.preprocessing)):
            if here and not _alike(facts.get(name), here):
                found.append(f"its manifest has another {name} than the data of {trial.task} on this machine")
    if factorised != (stored.shape == ()):
        told, own = ("", "not ") if factorised else ("not ", "")
        found.append(f"its manifest says that it is {told}factorised, but its file is {own}so")
    elif not factorised and (stored.images > trial.ipc or (whole and stored.images < trial.ipc)):
        found.append(f"it has {stored.images} images per class, but its budget is {trial.ipc}")
    named = facts.get("teachers", [])
    if not isinstance(named, list) or len(named) != stored.teachers:
        found.append(f"it has {counted(stored.teachers, 'teacher')}, but its manifest says otherwise")
    minibatch = facts.get("minibatch")
    sizes = minibatch if isinstance(minibatch, dict) else {"": 0}
    for name, most in {"per_class": stored.images, "classes": stored.classes}.items():
        if sizes.get(name) is not None and sizes[name] not in range(1, most + 1):
            found.append(f"its minibatch has {str(sizes[name])[:60]} {name.replace('_', ' ')} of {most}")
    if "" in sizes or set(sizes) - {"per_class", "classes"}:
        found.append("its manifest has no valid minibatch")
    if factorised and task is not None:
        limit = 4 * stored.classes * trial.ipc * prod(task.shape)
        if stored.stored_bytes > limit:
            found.append(f"it takes {stored.stored_bytes} bytes, but its budget is {limit}")
    return found


def _alike(first: Any, second: Any) -> bool:
    """Return whether two values of JSON are equal, but for rounding."""
    if isinstance(first, dict) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_alike(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_alike, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return isclose(first, second, rel_tol=1e-4)
    return bool(first == second)


def _compare(path: Path, stored: Stored, record: Record, found: Findings) -> None:
    """Report where a record describes another set."""
    kind = "hard" if stored.hard else "soft"
    decoded = 0 if stored.shape else stored.images
    said = {
        "stored bytes": (record.stored_bytes, stored.stored_bytes),
        "teacher bytes": (record.teacher_bytes, stored.teacher_bytes),
        "label kind": (record.label_kind, kind),
        "images per class that it decodes to": (record.decoded, decoded),
        "classes": (record.classes or stored.classes, stored.classes),  # earlier releases did not record them
    }
    for name, (told, own) in said.items():
        if told != own:
            found.error("set", path, f"its record says {name} {told}, but it has {own}")
