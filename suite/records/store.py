"""Records, plans, jobs and checkpoints on disk: atomic, content-addressed, self-checking.

Records are neither overwritten nor deleted: the first record of a cell on the same data is kept, and damaged
files move to `quarantine/`. A store may hold records and sets of one cell on several data, for example after
images of a folder changed: the name of a later one ends in the data's fingerprint.
"""

import hashlib
import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from suite.core.data.atomic_write import write_bytes
from suite.records.cells import PROTOCOL, Trial, protocol_remedy
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.stores import heartbeat, layout

MIN_FREE_BYTES = 200 * 2**20
"""Bytes that must be free before a run starts."""


class Store:
    """A folder with the records, artefacts and checkpoints of grids.

    read_only: it is asked much and at once, so that its records are listed once, and damaged files stay where
    they are.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path, self.read_only = path, read_only
        self._listing = layout.Listing(path / "records", once=read_only)

    @classmethod
    def create(cls, path: Path, option: str = "--store") -> "Store":
        """Open the store at `path`, which `option` named; create it if it does not exist.

        Raises ValueError for a store of another protocol, a folder that cannot be written, a full disk.
        """
        store = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            why = f"store {path} cannot be written: {error.strerror}"
            raise ValueError(f"{why}; choose another {option}") from None
        store.check_room()
        facts = path / "store.json"
        if not facts.exists():
            write_bytes(facts, json.dumps({"protocol": PROTOCOL}).encode() + b"\n")
        store.check_protocol(option)
        return store

    def check_protocol(self, option: str = "--store") -> None:
        """Raise ValueError if the store, given by `option`, has another protocol version."""
        facts = self.path / "store.json"
        try:
            found = json.loads(facts.read_text())["protocol"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{self.path} is not a store: {facts} is missing or damaged") from None
        if found != PROTOCOL:
            raise ValueError(
                f"store {self.path} has protocol {found}, this release writes protocol {PROTOCOL}; "
                f"choose another {option}, or {protocol_remedy(found, str(self.path))}"
            )

    def as_it_is(self) -> "Store":
        """Return the store for many questions at once, read only."""
        return Store(self.path, read_only=True)

    def check_room(self) -> None:
        """Raise ValueError if less than `MIN_FREE_BYTES` are free."""
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE_BYTES:
            raise ValueError(
                f"disk full: {free >> 20} MiB free below {self.path}, {MIN_FREE_BYTES >> 20} MiB are needed"
            )

    @contextmanager
    def locked(self, doing: str = "run") -> Iterator[None]:
        """Lock the store for one run, or what else `doing` says; raises ValueError if another one has it."""
        lock = FileLock(self.path / "driver.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            driver = heartbeat.signs(self.path).get(heartbeat.DRIVER)
            by = driver.where if driver else "another process"
            raise ValueError(f"store {self.path} is in use by {by}; wait for it, or end it") from None
        with lock:
            heartbeat.clear(self.path)
            with heartbeat.Heartbeat(self.path, heartbeat.DRIVER, doing):
                yield

    # Records

    def record(self, cell: str, data: str = "") -> Record | None:
        """Return the record of the cell with this id on these data; None without a valid record.

        data: the fingerprint of a task's data; "" for any data.
        """
        return next((record for record in self.records(cell) if data in ("", record.data)), None)

    def records(self, cell: str) -> Iterator[Record]:
        """Yield the valid records of a cell, one for each data, the first written first."""
        for path in self._listing.of(cell):
            try:
                record = Record.model_validate_json(path.read_bytes())
                if record.cell.id != cell:
                    raise ValueError("the record belongs to another cell")
                yield record
            except FileNotFoundError:
                continue  # another process set it aside
            except ValueError as error:
                self._quarantine(path, f"is damaged ({_mistake(error)})")

    def write(self, record: Record, trace: str = "") -> None:
        """Write a record. An earlier record on the same data is kept; an earlier failure is replaced.

        trace: the traceback of a failure, which is written beside it.
        """
        folder = "records" if record.status in ("done", "diverged") else "failures"
        place = self.path / folder / layout.place_of(record)
        others = [] if folder == "failures" else [other.data for other in self.records(record.cell.id)]
        path = place / f"{_named(record.cell.id, record.data if others else '')}.json"
        if record.data not in others:
            write_bytes(path, record.to_json().encode(), replace=folder == "failures")
        if folder == "records":
            for name in (f"{record.cell.id}.json", _trace(record.cell.id)):
                for failure in self.path.glob(f"failures/*/*/{name}"):
                    failure.unlink(missing_ok=True)
        elif trace:
            write_bytes(self.traceback(record), trace.encode(errors="replace"), replace=True)

    def add(self, record: Record, content: bytes, *, another: bool) -> None:
        """Write the file of a record as it is, without a sync.

        another: whether its cell has a record of other data.
        """
        name = _named(record.cell.id, record.data if another else "")
        path = self.path / "records" / layout.place_of(record) / f"{name}.json"
        write_bytes(path, content, sync=False)

    def last_failure(self, cell: str) -> Record | None:
        """Return the last failure of a cell; None if it has none."""
        for path in self.path.glob(f"failures/*/*/{cell}.json"):
            try:
                return Record.model_validate_json(path.read_bytes())
            except ValidationError as error:
                self._quarantine(path, f"is damaged ({_mistake(error)})")
        return None

    def traceback(self, failure: Record) -> Path:
        """Return the path of a failure's traceback."""
        return self.path / "failures" / layout.place_of(failure) / _trace(failure.cell.id)

    def row(self, task: str, ipc: int, label: str) -> Iterator[Record]:
        """Yield the records of a row; damaged ones are left out."""
        for path in sorted((self.path / "records" / layout.place(task, ipc, label)).glob("*.json")):
            with suppress(OSError, ValueError):
                yield Record.model_validate_json(path.read_bytes())

    def write_plan(self, grid: str, text: str) -> None:
        """Write the plan of a grid, from which a board knows the missing cells."""
        write_bytes(self.path / "plan" / f"{grid}.json", text.encode(), replace=True)

    def write_job(self, job: Job) -> None:
        """Write a job, which a worker reads by its id."""
        write_bytes(self.path / "jobs" / f"{job.id}.json", job.model_dump_json().encode(), replace=True)

    def job(self, cell: str) -> Job:
        """Return the job whose first cell has this id."""
        return Job.model_validate_json((self.path / "jobs" / f"{cell}.json").read_bytes())

    # Artefacts

    def artefact(self, trial: str, step: int | None = None, data: str = "") -> Path:
        """Return the path of a trial's artefact, or of its snapshot after `step` outer steps.

        data: the fingerprint of the data from which it is distilled, if there are sets of several.
        """
        own = self._artefact(trial, step, data)
        return own if own.exists() else self._artefact(trial, step)

    def new_artefact(self, trial: str, step: int | None, data: str) -> Path:
        """Return the path to which an artefact is written: beside one that is distilled from other data."""
        path = self.artefact(trial, step, data)
        return path if self.data_of(path) in (None, "", data) else self._artefact(trial, step, data)

    @staticmethod
    def data_of(artefact: Path) -> str | None:
        """Return the fingerprint of the data from which an artefact is distilled.

        None without an artefact or a readable manifest, "" if that has no fingerprint.
        """
        try:
            return str(json.loads(artefact.with_suffix(".json").read_bytes()).get("data", ""))
        except (OSError, ValueError, AttributeError):
            return None

    @staticmethod
    def trial_of(artefact: Path) -> str | None:
        """Return the id of the trial that an artefact's manifest names; None without a readable one."""
        try:
            return Trial.model_validate(json.loads(artefact.with_suffix(".json").read_bytes())["trial"]).id
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _artefact(self, trial: str, step: int | None, data: str = "") -> Path:
        after = "" if step is None else f"@{step}"
        return self.path / "artefacts" / f"{_named(trial, data)}{after}.safetensors"

    # Checkpoints

    def save_checkpoint(self, trial: str, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint, its sha256 in its name; the last two are kept."""
        import torch  # imported here, since boards read records without torch

        folder, buffer = self.path / "checkpoints" / trial, io.BytesIO()
        torch.save(state, buffer)
        content = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
        write_bytes(folder / f"{step:09d}-{content}.pt", buffer.getvalue())
        for old in sorted(folder.glob("*.pt"))[:-2]:
            old.unlink()

    def load_checkpoint(self, trial: str) -> dict[str, Any] | None:
        """Return the newest valid checkpoint of a trial or study, or None."""
        import torch

        for path in sorted((self.path / "checkpoints" / trial).glob("*.pt"), reverse=True):
            content = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            if path.stem.endswith(content):
                # It may be loaded on a machine without the GPU on which it was written.
                state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
                return state
            self._quarantine(path, "is damaged (its content does not match its name)")
        return None

    def checkpoint_step(self, trial: str) -> int | None:
        """Return the outer step of the last checkpoint, or None."""
        names = [path.stem for path in (self.path / "checkpoints" / trial).glob("*.pt")]
        return int(max(names).partition("-")[0]) if names else None

    def drop_checkpoints(self, trial: str) -> None:
        """Remove the checkpoints of a finished trial or study."""
        shutil.rmtree(self.path / "checkpoints" / trial, ignore_errors=True)

    def quarantine_checkpoints(self, trial: str, reason: str) -> None:
        """Move checkpoints to quarantine; the trial or study then starts again.

        reason: a verb and its object, for the warning.
        """
        for path in sorted((self.path / "checkpoints" / trial).glob("*.pt")):
            self._quarantine(path, reason)

    def _quarantine(self, path: Path, reason: str) -> None:
        if self.read_only:
            warnings.warn(f"{path} {reason}; its cell will run again", stacklevel=3)
            return
        folder = self.path / "quarantine"
        folder.mkdir(exist_ok=True)
        target = folder / f"{len(list(folder.iterdir())):04d}-{path.name}"
        path.replace(target)
        warnings.warn(f"{path} {reason}; moved to {target}, its cell will run again", stacklevel=3)


def _named(cell: str, data: str) -> str:
    return f"{cell}-{data[:16]}" if data else cell


def _trace(cell: str) -> str:
    return f"{cell[:12]}.txt"  # so short that its path, which people open, fits a terminal


def _mistake(error: ValueError) -> str:
    """Return the first mistake in a file in one line."""
    told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return told.removeprefix("Value error, ").partition("\n")[0]
