"""A local copy of the objects of a store: changed objects are pulled, changed files are pushed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import RLock

from suite.core.files.atomic_write import PARTIAL, DiskFault, read_bytes, write_bytes
from suite.records.jobs import Job
from suite.records.record import read_record
from suite.records.remote.place import Place, RemoteFault, size_of
from suite.records.stores import layout
from suite.records.upkeep.folder import QUARANTINE

_TRIES = 3

_MANY = 100
"""For the marks of more objects than this, all are listed: that is faster than to ask for each."""

Local = list[int]
"""Differs after each change of a local file: size, time of change, inode."""


@dataclass(frozen=True)
class Scope:
    """The files of a store whose names begin with one of `within` and with none of `without`."""

    within: tuple[str, ...]
    without: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether the file of this name is one of them."""
        return name.startswith(self.within) and not name.startswith(self.without)


_OWN = ("driver.lock", "checked.json", "compiled/", ".tune-")
"""Files of one machine, which are never pushed."""

STORE = Scope(("",), (*_OWN, "checkpoints/", "running/", f"{QUARANTINE}/", "log/"))
"""What a driver reads and writes. Checkpoints and signs of life belong to jobs."""


def of_job(job: Job) -> Scope:
    """Return the files that a job reads and writes."""
    names = ["store.json", f"jobs/{job.id}.json", f"artefacts/{job.id}", f"checkpoints/{job.id}/"]
    names.append(f"running/{job.id}.json")
    for cell in job.cells:
        row = layout.place_in(job, cell).as_posix()
        names += [f"records/{row}/{cell.id}", f"failures/{row}/{cell.id[:12]}"]
    return Scope(tuple(names))


class Mirror:
    """The local copy of a store in `folder`.

    index: a file that remembers which files are equal to their objects; without it, the next process pulls
    all of them again. Methods raise RemoteFault and DiskFault.
    """

    def __init__(self, place: Place, folder: Path, index: Path | None = None) -> None:
        self.place, self.folder, self._index = place, folder, index
        self._known: dict[str, tuple[list[str], Local]] = {}
        self._kept: set[tuple[str, int]] = set()  # files in quarantine that were pushed
        self._busy = RLock()
        if index is not None:
            with suppress(OSError, ValueError, TypeError):
                saved = json.loads(read_bytes(index))
                self._known = {name: (mark, own) for name, (mark, own) in saved.items()}

    @property
    def is_empty(self) -> bool:
        """Whether no object is known."""
        return not self._known

    def pull(self, scope: Scope = STORE) -> None:
        """Make the local files of a scope equal to the objects; other files are removed."""
        with self._busy:
            there = self._there(scope)
            here = dict(self._here(scope))
            new = {
                name: size_of(mark)
                for name, mark in there.items()
                if name not in here or self._known.get(name) != (mark, here[name])
            }
            for name, content in self.place.read(new):
                self._take(name, content, there[name])
            for name in here.keys() - there.keys():
                self._drop(name)

    def push(self, scope: Scope = STORE) -> None:
        """Write the files of a scope that changed, and remove the objects of those that are gone.

        Sets are written first, then other files, then records; objects are removed last. The first valid
        record of a cell wins, with its set: a later one, and its set, are replaced here.
        """
        with self._busy:
            here = dict(self._here(scope))
            new = [name for name, own in here.items() if self._known.get(name, ([], []))[1] != own]
            late = [name for name in new if _turn(name) == 2 and self._gives_way(name)]
            replaced = (*late, *(f"artefacts/{_cell(name)}" for name in late))
            turns: list[dict[str, Local]] = [{}, {}, {}]
            for name in new:
                if not name.startswith(replaced):
                    turns[_turn(name)][name] = here[name]
            sets, others, records = turns
            self._write(sets)
            self._write(others)
            for name, own in records.items():
                self._create(name, own)
            self._set_aside()
            gone = [name for name in self._known if scope.has(name) and name not in here]
            self.place.remove(gone)
            for name in gone:
                self._drop(name)

    def forget(self, scope: Scope) -> None:
        """Remove the local files of a scope, but not the objects."""
        with self._busy:
            for name, _ in list(self._here(scope)):
                self._drop(name)

    def save(self) -> None:
        """Write the index, if there is one."""
        if self._index is not None:
            write_bytes(self._index, json.dumps(self._known).encode(), replace=True, sync=False)

    def _there(self, scope: Scope) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for prefix in scope.within:
            found |= self.place.listed(prefix)
        folders = {str(parent) for name in found for parent in PurePosixPath(name).parents}
        return {name: mark for name, mark in found.items() if scope.has(name) and name not in folders}

    def _here(self, scope: Scope) -> Iterator[tuple[str, Local]]:
        """Yield the local files of a scope."""
        for prefix in scope.within:
            folder, _, begin = prefix.rpartition("/")
            for path in _files(self.folder / folder, begin):
                name = path.relative_to(self.folder).as_posix()
                if scope.has(name):
                    with suppress(FileNotFoundError):  # a sign of life that ended
                        yield name, _local(path)

    def _gives_way(self, name: str) -> bool:
        """Return whether another process wrote a valid record meanwhile; take that one, and its set."""
        mark, known = self.place.mark(name), self._known.get(name)
        if mark is None or (known and known[0] == mark):
            return False
        return self._taken(name)

    def _taken(self, name: str) -> bool:
        """Take the record of this name and the sets of its cell; return False if it is damaged or gone."""
        mark, content = self.place.mark(name), self.place.content(name)
        if content is None:
            return False
        try:
            read_record(content, _cell(name))
        except ValueError:
            self._keep(name, content)
            self.place.remove([name])
            return False
        self.pull(Scope((f"artefacts/{_cell(name)}",)))
        self._take(name, content, mark or [])
        return True

    def _create(self, name: str, own: Local) -> None:
        """Write a record that is new, or that replaces the one of which it is a changed copy."""
        content, known = read_bytes(self.folder / name), self._known.get(name)
        if known and self.place.mark(name) == known[0]:
            self._write({name: own})
            return
        for _ in range(_TRIES):
            try:
                self.place.create(name, content)
            except FileExistsError:
                # The same content is ours: the answer to an earlier try was lost.
                if self.place.content(name) != content:
                    if self._taken(name):
                        return
                    continue  # it was damaged, and is set aside
            self._known[name] = self.place.mark(name) or [], own
            return
        raise RemoteFault(f"{self.place.url}/{name} is damaged again and again; check what else writes there")

    def _write(self, files: dict[str, Local]) -> None:
        sizes = {name: own[0] for name, own in files.items()}
        self.place.write(sizes, lambda name: read_bytes(self.folder / name))
        marks = self.place.listed() if len(files) > _MANY else {name: self.place.mark(name) for name in files}
        for name, own in files.items():
            self._known[name] = marks.get(name) or [], own

    def _set_aside(self) -> None:
        """Push the files in quarantine."""
        for path in _files(self.folder / QUARANTINE):
            name = path.relative_to(self.folder / QUARANTINE).as_posix()
            with suppress(DiskFault, FileNotFoundError, ValueError):
                if (key := (name, path.stat().st_mtime_ns)) not in self._kept:
                    self._keep(name, read_bytes(path))
                    self._kept.add(key)

    def _keep(self, name: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()[:8]  # machines give the same name to several files
        self.place.put(f"{QUARANTINE}/{digest}-{Path(name).name}", content)

    def _take(self, name: str, content: bytes, mark: list[str]) -> None:
        path = self.folder / name
        write_bytes(path, content, replace=True, sync=False)
        self._known[name] = mark, _local(path)

    def _drop(self, name: str) -> None:
        self._known.pop(name, None)
        with suppress(OSError):
            (self.folder / name).unlink(missing_ok=True)


def _turn(name: str) -> int:
    """Return when a file is written: sets first (0), records last (2)."""
    return 2 if name.startswith("records/") else int(not name.endswith(".safetensors"))


def _cell(record: str) -> str:
    return Path(record).stem[:64]


def _local(path: Path) -> Local:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _files(folder: Path, begin: str = "") -> Iterator[Path]:
    """Yield the files of a folder whose paths in it begin so, except those that are being written."""
    for place, folders, names in os.walk(folder):
        if begin:
            folders[:] = [each for each in folders if each.startswith(begin)]
            names = [each for each in names if each.startswith(begin)]
            begin = ""
        for name in names:
            path = Path(place, name)
            if not name.startswith(PARTIAL) and path.is_file() and not path.is_symlink():
                yield path
