"""Copy the sets of a store into a union, with their manifests."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from suite.core.files.atomic_write import DiskFault, make_folder, read_bytes, write_bytes, write_whole
from suite.core.files.documents import read_json
from suite.core.sets import sealing
from suite.records.store import Store
from suite.records.stores import layout, reading

ENDING = ".safetensors"
_CHUNK = 2**20


class Chosen(Protocol):
    """The sets that a union has, by the sha256 of their files."""

    def own_set(self, store: int, trial: str, data: str) -> str | None:
        """Return that of a store's record; None without one."""
        ...

    def set(self, trial: str, data: str) -> str | None:
        """Return that of the chosen record; None without one."""
        ...


class Damaged(ValueError):
    """A set that is not what its manifest or its record says."""


def parts_of(name: str) -> tuple[str, int | None]:
    """Return the trial's id and the outer step in the name of a store's set; ("", None) for another file."""
    found = re.fullmatch(r"([0-9a-f]{64})(?:-[0-9a-f]+)?(?:@(\d+))?", name.removesuffix(ENDING))
    return (found[1], int(found[2]) if found[2] else None) if found else ("", None)


def manifest_of(path: Path) -> dict[str, Any]:
    """Return the manifest of a set; raises Damaged without a readable one."""
    try:
        found = read_json(path.with_suffix(".json"))
        if not isinstance(found, dict) or not isinstance(found.get("sha256"), str):
            raise Damaged("its manifest has no sha256")
        sealing.check(found)
    except Damaged:
        raise
    except (OSError, ValueError) as error:
        raise Damaged(f"its manifest cannot be read: {reading.reason(error)}") from None
    return found


def copy(source: Store, store: Store, number: int, chosen: Chosen, report: reading.Report) -> None:
    """Copy the sets of `source`, the store with this number, whose records are chosen or unknown."""
    for path in layout.listed(source.path / "artefacts", ENDING):
        try:
            facts = manifest_of(path)
            kind = _copy_one(path, facts, store, number, chosen)
        except DiskFault:
            raise
        except (OSError, Damaged) as error:
            report.left.append(f"{path}: {reading.reason(error)}")
            continue
        getattr(report, kind)["set"] += 1


def _copy_one(path: Path, facts: dict[str, Any], store: Store, number: int, chosen: Chosen) -> str:
    """Copy a set; return where it counts in the report."""
    (trial, step), data = parts_of(path.name), str(facts.get("data", ""))
    target = store.new_artefact(trial, step, data) if trial else store.path / "artefacts" / path.name
    kept = chosen.set(trial, data) if trial else None
    if kept is not None:
        own = chosen.own_set(number, trial, data)
        if own is not None and step is None and own != facts["sha256"]:
            raise Damaged("it is not the set of its record")
        if kept != (own if own is not None else facts["sha256"]):
            return "superseded"
    there = target.with_suffix(".json").exists() and target.exists()
    if there and manifest_of(target)["sha256"] == facts["sha256"]:
        return "present"
    if there and (kept is None or step is not None):
        raise Damaged(f"{target} is another set")
    _write(path, facts, target)
    return "done"


def _write(path: Path, facts: dict[str, Any], target: Path) -> None:
    """Copy a set if its content is that of its manifest; of a new name its loader is told."""

    def copied(partial: Path) -> None:
        digest = hashlib.sha256()
        with partial.open("wb") as written:
            while chunk := _next(read, path):
                digest.update(chunk)
                written.write(chunk)
        if digest.hexdigest() != facts["sha256"]:
            raise Damaged("its content does not match the sha256 in its manifest")

    make_folder(target.parent)
    with path.open("rb") as read:
        write_whole(target, copied)
    content = read_bytes(path.with_suffix(".json"))
    if target.name != path.name and isinstance(facts.get("loader"), str):
        loader = facts["loader"].replace(json.dumps(path.stem), json.dumps(target.stem))
        content = sealing.to_json({**facts, "loader": loader}).encode()
    write_bytes(target.with_suffix(".json"), content, replace=True)


def _next(file: BinaryIO, path: Path) -> bytes:
    """Return the next bytes of the file at `path`; raises Damaged if the disk does not give them."""
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None
