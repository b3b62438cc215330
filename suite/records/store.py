"""Records, plans, jobs and checkpoints on disk: atomic, content-addressed, self-checking.

Records are neither overwritten nor deleted: the first record of a cell on the same data is kept, and damaged
files move to `quarantine/`. A store may hold records and sets of one cell on several data, for example after
images of a folder changed: the name of a later one ends in the data's fingerprint.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from suite.core.files.atomic_write import write_bytes
from suite.core.files.documents import document, read_json
from suite.records.cells import PROTOCOL, Cell, Trial, protocol_remedy
from suite.records.jobs import Job
from suite.records.record import FINAL, Record, read_record
from suite.records.stores import heartbeat, layout
from suite.records.submission import reason
from suite.records.upkeep import facts, leftovers
from suite.records.upkeep.checkpoints import Checkpoints
from suite.records.upkeep.known import Known


class Store(Checkpoints):
    """A folder with the records, artefacts and checkpoints of grids.

    read_only: it is asked much and at once, so that its records are listed once, and damaged files stay where
    they are. memory: what was read of it then, by path; None for a damaged record.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        self._listing = layout.Listing(path / "records", once=read_only)
        self._failures = layout.Listing(path / "failures", once=read_only)
        self.memory = dict[Path, Record | None]()

    @classmethod
    def create(cls, path: Path, option: str = "--store") -> "Store":
        """Open the store at `path`, which `option` named; create it if it does not exist.

        Raises ValueError for a store of another protocol, a folder that cannot be written, a full disk.
        """
        return cls(path).prepared(option)

    def prepared(self, option: str = "--store") -> Self:
        """Return the store, created if it does not exist; raises ValueError as `create` does."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            why = f"store {self.path} cannot be written: {error.strerror}"
            raise ValueError(f"{why}; choose another {option}") from None
        facts.check_room(self.path)
        self._write_facts()
        self.check_protocol(option)
        return self

    def _write_facts(self) -> None:
        """Write the file that states the protocol, if it is missing or damaged: that of the records."""
        path = self.path / facts.FACTS
        if facts.stated(self.path) is None:
            if os.path.lexists(path):
                self.set_aside(path, "is damaged", "it is written again")
            facts.write(self.path, facts.recorded(self.path) or PROTOCOL)

    def check_protocol(self, option: str = "--store") -> None:
        """Raise ValueError if the store, given by `option`, has another protocol version.

        Its records tell the protocol if `store.json` is missing or damaged.
        """
        found = facts.stated(self.path)
        if found is None and (found := facts.recorded(self.path)) is None:
            raise ValueError(
                f"{self.path} is not a store: {self.path / facts.FACTS} is missing or damaged, and there are "
                "no records; name the folder that a run wrote to"
            )
        if found != PROTOCOL:
            remedy = f"choose another {option}, or {protocol_remedy(found, str(self.path))}"
            if facts.recorded(self.path) == PROTOCOL:
                remedy += f"; its records have protocol {PROTOCOL}: if they are right, delete {facts.FACTS}"
            raise ValueError(
                f"store {self.path} has protocol {found}, this release writes protocol {PROTOCOL}; {remedy}"
            )

    @cached_property
    def known(self) -> Known:
        """What is known of its files without reading them again."""
        return Known(self.path, once=self.read_only)

    def as_it_is(self) -> "Store":
        """Return the store for many questions at once, read only."""
        return Store(self.path, read_only=True)

    @contextmanager
    def locked(self, doing: str = "run", lost: Callable[[str], None] = print) -> Iterator[None]:
        """Lock the store for one run, or what else `doing` says; raises ValueError if another one has it.

        lost: called with a reason if the lock is lost, which a folder's is not.
        """
        path = self.path / "driver.lock"
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            driver = heartbeat.signs(self.path).get(heartbeat.DRIVER)
            by = driver.where if driver else "another process"
            raise ValueError(f"store {self.path} is in use by {by}; wait until it ends, or end it") from None
        except (OSError, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or error
            raise ValueError(
                f"{path} cannot be locked: {why}; remove it, or put the store on another file system"
            ) from None
        with lock:
            heartbeat.clear(self.path)
            leftovers.sweep(self.path)
            with heartbeat.Heartbeat(self.path, heartbeat.DRIVER, doing):
                yield

    # Records

    def record(self, cell: str, data: str = "") -> Record | None:
        """Return the record of the cell with this id on these data; None without a valid record.

        data: the fingerprint of a task's data; "" for any data.
        """
        return next((record for record in self.records(cell) if data in ("", record.data)), None)

    def record_of(self, job: Job, cell: Cell) -> Record | None:
        """Return the record of a job's cell on the job's data, as `record` does.

        A cell is looked for where its job writes it, besides what was there at the first question: with a
        hundred thousand records it takes as long as with one.
        """
        found = self.records(cell.id, self._written("records", layout.place_in(job, cell), cell.id, job.data))
        return next((record for record in found if job.data in ("", record.data)), None)

    def earlier(self, record: Record) -> Record | None:
        """Return the record that the cell of `record` has on the same data, looked for as by `record_of`."""
        paths = self._written("records", layout.place_of(record), record.cell.id, record.data)
        found = self.records(record.cell.id, paths)
        return next((each for each in found if record.data in ("", each.data)), None)

    def records(self, cell: str, written: Sequence[Path] = ()) -> Iterator[Record]:
        """Yield the valid records of a cell, one for each data, the first written first.

        written: the only paths where those of other processes are looked for; by default in all rows.
        """
        for path in self._listing.of(cell, written):
            if path not in self.memory:
                found = self._valid(path, cell)
                if self.read_only:
                    self.memory[path] = found
            else:
                found = self.memory[path]
            if found:
                yield found

    def _valid(self, path: Path, cell: str) -> Record | None:
        try:
            return read_record(document(path), cell)
        except FileNotFoundError:
            return None  # another process set it aside
        except ValueError as error:
            self.set_aside(path, f"is damaged ({reason(error)})")
            return None

    def _written(self, kind: str, place: Path, cell: str, data: str = "") -> list[Path]:
        """Return the paths to which a run writes the records, or failures, of a cell; none if read only."""
        if self.read_only:
            return []
        names = dict.fromkeys(_named(cell, each) for each in ("", data))
        return [self.path / kind / place / f"{name}.json" for name in names]

    def write(self, record: Record, trace: str = "") -> None:
        """Write a record. An earlier record on the same data is kept; an earlier failure is replaced.

        trace: the traceback of a failure, which is written beside it.
        """
        cell, place = record.cell.id, layout.place_of(record)
        if record.status not in FINAL:
            path = self.path / "failures" / place / f"{cell}.json"
            self.put(path, record.to_json().encode(), replace=True)
            if trace:
                self.put(self.traceback(record), trace.encode(errors="replace"), replace=True)
            return
        paths = self._written("records", place, cell, record.data)
        for _ in range(2):  # another process may take the name meanwhile
            others = [other.data for other in self.records(cell, paths)]
            path = paths[-1] if others else paths[0]
            if record.data in others or self.put(path, record.to_json().encode()):
                break
        failed = self._written("failures", place, cell)
        for folder in {each.parent for each in (*failed, *self._failures.of(cell, failed))}:
            for name in (f"{cell}.json", _trace(cell)):
                (folder / name).unlink(missing_ok=True)

    def add(self, record: Record, content: bytes, *, another: bool) -> None:
        """Write the file of a record as it is, without a sync.

        another: whether its cell has a record of other data.
        """
        name = _named(record.cell.id, record.data if another else "")
        path = self.path / "records" / layout.place_of(record) / f"{name}.json"
        write_bytes(path, content, sync=False)

    def last_failure(self, cell: str, written: Sequence[Path] = ()) -> Record | None:
        """Return the last failure of a cell; None if it has none. written: as in `records`."""
        for path in self._failures.of(cell, written):
            try:
                return read_record(document(path), cell)
            except FileNotFoundError:
                continue  # another process overcame it
            except ValueError as error:
                self.set_aside(path, f"is damaged ({reason(error)})")
        return None

    def failure_of(self, job: Job, cell: Cell) -> Record | None:
        """Return the last failure of a job's cell, looked for as by `record_of`."""
        return self.last_failure(cell.id, self._written("failures", layout.place_in(job, cell), cell.id))

    def traceback(self, failure: Record) -> Path:
        """Return the path of a failure's traceback."""
        return self.path / "failures" / layout.place_of(failure) / _trace(failure.cell.id)

    def row(self, task: str, ipc: int, label: str) -> Iterator[Record]:
        """Yield the records of a row; damaged ones are left out."""
        for path in sorted((self.path / "records" / layout.place(task, ipc, label)).glob("*.json")):
            with suppress(OSError, ValueError):
                yield read_record(document(path), path.stem[:64])

    def write_plan(self, grid: str, text: str) -> None:
        """Write the plan of a grid, from which a board knows the missing cells."""
        self.put(self.path / "plan" / f"{grid}.json", text.encode(), replace=True)

    def write_job(self, job: Job) -> None:
        """Write a job, which a worker reads by its id."""
        path = self.path / "jobs" / f"{job.id}.json"
        self.put(path, job.model_dump_json().encode(), replace=True, sync=False)  # each run writes it

    def job(self, cell: str) -> Job:
        """Return the job whose first cell has this id."""
        return Job.model_validate_json(document(self.path / "jobs" / f"{cell}.json"))

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
            return str(read_json(artefact.with_suffix(".json")).get("data", ""))
        except (OSError, ValueError, AttributeError):
            return None

    @staticmethod
    def trial_of(artefact: Path) -> str | None:
        """Return the id of the trial that an artefact's manifest names; None without a readable one."""
        try:
            return Trial.model_validate(read_json(artefact.with_suffix(".json"))["trial"]).id
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _artefact(self, trial: str, step: int | None, data: str = "") -> Path:
        after = "" if step is None else f"@{step}"
        return self.path / "artefacts" / f"{_named(trial, data)}{after}.safetensors"


def _named(cell: str, data: str) -> str:
    """Return the name of a file of a cell on some data, whose fingerprint may be any text of a stranger."""
    return f"{cell}-{re.sub('[^0-9A-Za-z]', '', data)[:16]}" if data else cell


def _trace(cell: str) -> str:
    return f"{cell[:12]}.txt"  # so short that its path, which people open, fits a terminal
