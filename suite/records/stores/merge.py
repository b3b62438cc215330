"""The union of stores: records, sets, plans, jobs, failures and submissions, each checked when it is read.

Records of one cell on the same data with another content are a conflict: two machines measured it. Then
nothing is written, unless a rule says which one is kept. What is damaged stays behind, with a word.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from suite.core.files.atomic_write import write_bytes
from suite.core.files.documents import document
from suite.core.scores import SECONDS
from suite.records.cells import Evaluation
from suite.records.jobs import Job, Plan
from suite.records.record import Record
from suite.records.signatures import lists
from suite.records.store import Store
from suite.records.stores import layout, reading, sets_on_disk, submissions
from suite.records.stores.ledger import Ledger


@dataclass(frozen=True)
class Conflict:
    """Two records of one cell on the same data, or two submissions of one name.

    what: in words; first, second: each with its store; same: whether the results are the same, and only costs
    or the code differ.
    """

    what: str
    first: str
    second: str
    same: bool = False


class Merge:
    """The union of `stores` in the folder `output`, which may be a store already; its records come first.

    Use it in a `with` statement. Raises ValueError for a folder that is no store, one of another protocol, or
    an output that cannot be written. report: what was done so far.
    """

    def __init__(self, stores: Sequence[Path], output: Path) -> None:
        self.output = Store(output)
        self.sources = [reading.opened(path) for path in _once(stores, output)]
        for source in self.sources:
            if output.resolve().is_relative_to(source.path.resolve()):
                raise ValueError(f"{output} lies in {source.path}, which is only read; name another folder")
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            reading.opened(output)
        else:
            _refuse_unwritable(output)
        self.report = reading.Report()
        self._ledger, self._held, self._damaged = Ledger(), ExitStack(), list[str]()

    def __enter__(self) -> Self:
        self._held.callback(self._ledger.close)
        if self.output.path.is_dir():
            self._lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _lock(self) -> None:
        self._held.enter_context(Store.create(self.output.path, "--output").locked("merge"))

    def read(self) -> None:
        """Read and check all records, and choose among those of one cell; nothing is written."""
        for number, store in enumerate([self.output, *self.sources]):
            for path in layout.files(store.path / "records"):
                try:
                    content = document(path)
                    self._ledger.add(number, path, content, reading.checked(path, content))
                except (OSError, ValueError) as error:
                    if number == 0:
                        self._damaged.append(path.stem[:64])
                    else:
                        self.report.left.append(f"{path}: {reading.reason(error)}")
        self._ledger.decide()

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflicts between the stores."""
        stores = [self.output, *self.sources]
        for pair in self._ledger.clashes():
            one, other = (reading.checked(each.path) for each in pair)
            first, second = (stores[each.store].path for each in pair)
            yield Conflict(
                what=_what(one),
                first=f"{first}: {_measured(one)}",
                second=f"{second}: {_measured(other)}",
                same=_result(one) == _result(other),
            )
        yield from (Conflict(*words) for words in submissions.conflicts(self.output, self.sources))

    def write(self) -> None:
        """Copy what `read` chose. Interrupted, it goes on when all is done again; raises OSError.

        Files are whole, and on disk at the end: what a power failure damages before is found by the next
        merge, and copied again.
        """
        store, report = self.output, self.report
        if not store.path.is_dir():
            self._lock()
        for cell in self._damaged:
            list(store.records(cell))  # moves them to quarantine, so that sources can give them
        for number, source in enumerate(self.sources, 1):
            sets_on_disk.copy(source, store, number, self._ledger, report)
        self._copy_records(store)
        for source in self.sources:
            self._copy_failures(source, store)
            self._copy_jobs(source, store)
            self._unite_plans(source, store)
            submissions.copy(source, store, report)
            lists.copy(source, store, report)
        os.sync()
        report.superseded["evaluation"] = sum(1 for _ in self._ledger.left_out())

    def _copy_records(self, store: Store) -> None:
        failures = {path.stem: path for path in layout.files(store.path / "failures")}
        for entry, another in self._ledger.chosen(first=1):
            content = document(entry.path)
            if sha256(content).hexdigest() != entry.content:
                self.report.left.append(f"{entry.path}: it changed while it was read; merge again")
                continue
            record = reading.checked(entry.path, content)
            store.add(record, content, another=another)
            self.report.done["record"] += 1
            if failure := failures.pop(entry.cell, None):
                store.traceback(record).unlink(missing_ok=True)
                failure.unlink(missing_ok=True)
        every = sum(self._ledger.count(number) for number in range(1, len(self.sources) + 1))
        clashes = sum(1 for _ in self._ledger.clashes())
        self.report.superseded["record"] = clashes
        self.report.present["record"] = every - self.report.done["record"] - clashes

    def _copy_failures(self, source: Store, store: Store) -> None:
        """Copy the failures of cells that have neither a record nor a failure."""
        known = {path.stem for path in layout.files(store.path / "failures")}
        for path in layout.files(source.path / "failures"):
            if path.stem in known or self._ledger.has(path.stem):
                continue
            try:
                failure = reading.checked(path)
            except (OSError, ValueError) as error:
                self.report.left.append(f"{path}: {reading.reason(error)}")
                continue
            trace = source.traceback(failure)
            store.write(failure, trace.read_text(errors="replace") if trace.is_file() else "")
            self.report.done["failure"] += 1

    def _copy_jobs(self, source: Store, store: Store) -> None:
        for path in layout.listed(source.path / "jobs", ".json"):
            target = store.path / "jobs" / path.name
            if target.exists():
                continue
            try:
                content = document(path)
                if Job.model_validate_json(content).id != path.stem:
                    raise ValueError("its name is that of another cell")
            except (OSError, ValueError) as error:
                self.report.left.append(f"{path}: {reading.reason(error)}")
                continue
            write_bytes(target, content, sync=False)
            self.report.done["job"] += 1

    def _unite_plans(self, source: Store, store: Store) -> None:
        """Plans of one name become one with the cells of both: a board then knows all that are missing."""
        for path in layout.listed(source.path / "plan", ".json"):
            target = store.path / "plan" / path.name
            before = document(target) if target.is_file() else b""
            try:
                content = document(path)
                if content != before:
                    both = [Plan.model_validate_json(each) for each in (before, content) if each]
                    content = united(both).to_json().encode()
            except (OSError, ValueError) as error:
                self.report.left.append(f"{path}: {reading.reason(error)}")
                continue
            if content == before:
                self.report.present["plan"] += 1
            else:
                write_bytes(target, content, replace=True)
                self.report.done["plan"] += 1


def united(plans: Sequence[Plan]) -> Plan:
    """Return a plan with the cells of all plans, each once, in their order."""
    every = (planned for plan in plans for planned in plan.cells)
    return Plan(cells=tuple({(each.cell.id, each.label, each.data): each for each in every}.values()))


def _refuse_unwritable(path: Path) -> None:
    """Raise ValueError if a folder cannot be made, before anything is read."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"{path} cannot be written; choose another --output")


def _once(stores: Sequence[Path], output: Path) -> list[Path]:
    """Return the stores without repetitions, and without the output."""
    found = {path.resolve(): path for path in reversed(stores)}
    found.pop(output.resolve(), None)
    if not found:
        raise ValueError(f"nothing to merge: name stores other than {output}")
    return [path for path in dict.fromkeys(stores) if found.get(path.resolve()) is path]


def _what(record: Record) -> str:
    seed = f" seed {record.cell.seed}" if record.cell.kind != "evaluation" else ""
    size = f" ipc {record.ipc}" if record.ipc else ""
    return f"{record.label} on {record.task}{size}{seed}, {record.cell.title}, cell {record.cell.id[:12]}"


def _result(record: Record) -> tuple[object, ...]:
    """Return what a record says of its cell, costs left out."""
    scores = {name: values for name, values in record.scores.items() if name != SECONDS.name}
    made = "" if isinstance(record.cell, Evaluation) else record.artefact
    return record.status, scores, made, record.error


def _measured(record: Record) -> str:
    """Return the scores of a record, or its set, and how it was measured."""
    accuracy, by = record.scores.get("accuracy", ()), record.provenance
    scores = " ".join(f"{100 * value:.2f}" for value in accuracy[:5]) + " …" * (len(accuracy) > 5)
    made = f"set {record.artefact[:12]}" if record.artefact else record.status
    spent = f"{record.device_seconds:.0f} device-seconds on {by.device}"
    return f"{scores or made}; {spent}; commit {by.commit[:12]}, torch {by.versions.get('torch', 'unknown')}"
