"""The files of a store as an audit reads them: plain, of bounded size, each checked against its name."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import time
from typing import Any, TypeVar

from suite.core.files.atomic_write import PARTIAL
from suite.core.files.documents import document, parse_json
from suite.records.audit.findings import Findings
from suite.records.cells import PROTOCOL, protocol_remedy
from suite.records.jobs import Job, Plan
from suite.records.record import FINAL, Record
from suite.records.store import Store
from suite.records.stores import heartbeat, layout, reading
from suite.records.stores.sets_on_disk import ENDING, parts_of
from suite.records.submission import is_plain

T = TypeVar("T")

_UNFINISHED = 3600  # seconds after which a file is no longer being written
_OWN = {  # the folders of a store that an audit knows, and the endings of their files
    "records": (".json",),
    "failures": (".json", ".txt"),
    "plan": (".json",),
    "jobs": (".json",),
    "artefacts": (".json", ENDING),
    "checkpoints": (".pt",),
    "running": (".json",),
}


def content(path: Path) -> bytes:
    """Return the content of a document; raises ValueError if it is a link, no plain file, or too large."""
    _check_plain(path)
    return document(path)


def parsed(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises ValueError for anything else."""
    try:
        found = parse_json(content(path))
    except FileNotFoundError:
        raise ValueError("it is missing") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"it cannot be read: {reading.reason(error)}") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def sha256(path: Path) -> str:
    """Return the sha256 of a file of any size; raises ValueError for a link or no plain file."""
    _check_plain(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_plain(path: Path) -> None:
    if os.path.lexists(path) and not is_plain(path):
        raise ValueError("it is a link or not a plain file")


def _undamaged(
    paths: Iterable[Path], kind: str, read: Callable[[Path], T], found: Findings, counted: str = ""
) -> Iterator[tuple[Path, T]]:
    """Yield what `read` returns for each file, and report those that it refuses.

    kind: of the findings; counted: the word by which files are counted, if it is another one.
    """
    for path in paths:
        try:
            made = read(path)
        except FileNotFoundError:
            continue  # a run removed it meanwhile
        except (OSError, ValueError) as error:
            found.error(kind, path, f"it does not count: {reading.reason(error)}")
            continue
        found.checked[counted or kind] += 1
        yield path, made


def records(store: Store, kind: str, found: Findings) -> Iterator[tuple[Path, Record]]:
    """Yield the undamaged records or failures with their paths, and report the others.

    A sealed record is undamaged: its content is that of its sha256, and its file has the cell's name.
    """
    paths, counted = layout.files(store.path / kind), kind.removesuffix("s")
    read = _undamaged(paths, "record", lambda path: reading.checked(path, content(path)), found, counted)
    for path, record in read:
        _check_place(path, record, kind, store, found)
        yield path, record


def _check_place(path: Path, record: Record, kind: str, store: Store, found: Findings) -> None:
    """Report a record in another row's folder, or under a name that says other data."""
    row = layout.place_of(record)
    if path.parent != store.path / kind / row:
        found.error("place", path, f"it belongs to {kind}/{row}, but is in another row's folder")
    after = path.stem[64:]
    if after and (not record.data or after != f"-{record.data[:16]}"):
        found.error("place", path, "its name ends in the fingerprint of other data")
    if (record.status in FINAL) != (kind == "records"):
        found.error("status", path, f"its status is {record.status!r}, which does not belong in {kind}/")


def plans(store: Store, found: Findings) -> Iterator[tuple[Path, Plan]]:
    """Yield the undamaged plans, and report the others."""
    paths = layout.listed(store.path / "plan", ".json")
    return _undamaged(paths, "plan", lambda path: Plan.model_validate_json(content(path)), found)


def jobs(store: Store, found: Findings) -> None:
    """Report damaged jobs, and those under another cell's name."""

    def read(path: Path) -> None:
        if Job.model_validate_json(content(path)).id != path.stem:
            raise ValueError("its name is that of another cell")

    for _ in _undamaged(layout.listed(store.path / "jobs", ".json"), "job", read, found):
        pass


def checkpoints(store: Store, finished: set[str], found: Findings) -> None:
    """Report damaged checkpoints, and those of finished cells."""
    for folder in layout.subfolders(store.path / "checkpoints"):
        paths = layout.listed(folder, ".pt")
        if paths and folder.name in finished:
            found.doubt("checkpoint", folder, "its cell is finished: it is no longer needed")
        for path, digest in _undamaged(paths, "checkpoint", sha256, found):
            if not path.stem.endswith(digest[:16]):
                found.error("checkpoint", path, "its content does not match the sha256 in its name")


def protocol(store: Store, found: Findings) -> None:
    """Report a store of another protocol, or one that does not say."""
    path = store.path / "store.json"
    try:
        said = parsed(path).get("protocol")
    except ValueError as error:
        found.error("store", path, str(error))
        return
    if said != PROTOCOL:
        remedy = protocol_remedy(said, str(store.path))
        found.error("store", path, f"it has protocol {str(said)[:60]}; {remedy}")


def others(store: Store, found: Findings) -> None:
    """Report files that a run left behind, set aside, or did not write."""
    alive = bool(heartbeat.signs(store.path))
    for name, endings in _OWN.items():
        for path in sorted((store.path / name).rglob("*")):
            if path.is_dir() and not path.is_symlink() and not path.name.endswith(endings):
                continue
            if PARTIAL in path.name:
                if not alive or _age(path) > _UNFINISHED:
                    found.doubt("partial", path, "it was not written completely; you may remove it")
            elif not path.name.endswith(endings) or path.name.startswith("."):
                found.doubt("stranger", path, f"RaT-Bench writes no such file into {name}/")
            elif not path.is_file():  # a link to a file is told of where it is read
                found.error("stranger", path, "it is not a file: no command reads it")
            elif name == "records" and len(path.relative_to(store.path).parts) != 4:
                found.error("place", path, "it is not in the folder of a row: no command reads it")
    for name, told in (("quarantine", "set aside as damaged"), ("forgotten", "forgotten")):
        if count := sum(path.is_file() for path in (store.path / name).rglob("*")):
            found.doubt(name, name, f"{count} files were {told}; check whether results are missing")


def unpaired(store: Store) -> Iterator[Path]:
    """Yield sets without a manifest, manifests without a set, and files of neither name."""
    folder = store.path / "artefacts"
    names = {path.name for path in layout.listed(folder, "")}
    for name in sorted(names):
        path = folder / name
        partner = path.with_suffix(".json" if name.endswith(ENDING) else ENDING)
        if partner.name not in names or not parts_of(path.stem)[0]:
            yield path


def _age(path: Path) -> float:
    try:
        return time() - path.lstat().st_mtime
    except OSError:
        return 0.0
