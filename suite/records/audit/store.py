"""The audit of one store: each file is read once, nothing is written, and nothing of it is executed."""

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from suite.core.names import counted
from suite.records.audit import documents, figures, handed_in
from suite.records.audit.figures import Wrong
from suite.records.audit.findings import Findings
from suite.records.audit.known import Ask, Tasks, nothing
from suite.records.audit.links import Links
from suite.records.cells import EXTERNAL, SUBMITTED, Trial
from suite.records.record import Record, is_of
from suite.records.signatures import checking
from suite.records.store import Store
from suite.records.stores import reading
from suite.records.submission import FOLDER, is_plain

CHANGED = "+changes"
"""The end of a record's commit if the code differed from it."""


def audit(
    path: Path,
    ask: Ask = nothing,
    signers: Path | None = None,
    more: Callable[[Record], Iterable[Wrong]] = lambda record: (),
) -> Findings:
    """Return what is wrong with the store at `path`, and what was checked.

    ask: gives the facts of a task from the data on this machine; signers: a file of accepted signers; more:
    gives what else is wrong with a record. Raises ValueError if there is no store.
    """
    if not any((path / kind).is_dir() for kind in (*reading.KINDS, FOLDER)):
        reading.opened(path)  # says why it is none
        raise ValueError(f"{path} is not a store: it has no records; name the folder that a run wrote to")
    store, found, tasks = Store(path, read_only=True), Findings(path), Tasks(ask)
    links, origins = Links(store, tasks, found), _Origins()
    documents.protocol(store, found)
    for at, record in documents.records(store, "records", found):
        for severity, kind, what in (*figures.wrong(record, tasks[record.task]), *more(record)):
            found.add(severity, kind, at, what)
        links.add(at, record)
        origins.add(at, record)
    for at, failure in documents.records(store, "failures", found):
        links.add_failure(at, failure)
    for at, plan in documents.plans(store, found):
        links.add_plan(at, plan)
    links.check()
    origins.report(found)
    documents.jobs(store, found)
    documents.checkpoints(store, links.finished, found)
    documents.others(store, found)
    handed_in.check(store, tasks, found)
    checking.report(path, signers, found)
    found.notes += [f"data of {task} not compared: {why}" for task, why in sorted(tasks.unknown.items())]
    return found


class _Origins:
    """The code that made the records of a store."""

    def __init__(self) -> None:
        self._changed, self._sources = dict[str, list[Path]](), Counter[tuple[str, str]]()

    def add(self, path: Path, record: Record) -> None:
        """Add a record."""
        if record.provenance.commit.endswith(CHANGED):
            self._changed.setdefault(record.provenance.commit, []).append(path)
        if is_of(record, Trial) and record.cell.source:
            self._sources[record.cell.method, record.cell.source] += 1

    def report(self, found: Findings) -> None:
        """Report changed code, and compare the files of methods where they are on this machine."""
        for commit, paths in sorted(self._changed.items()):
            told = f"made by code that differs from its commit {commit[:12]}; records like it: {len(paths)}"
            found.doubt("code", paths[0], told)
        for (method, source), count in sorted(self._sources.items()):
            if method.startswith((EXTERNAL, SUBMITTED)):
                continue
            path = Path(method)
            if not method.endswith(".py") or not _is_here(path):
                found.notes.append(f"source of {method} not compared: its file is not on this machine")
                continue
            found.checked["compared source"] += count
            if sha256(path.read_bytes()).hexdigest() != source:
                told = f"{counted(count, 'trial')} ran another version of {method} than the present file"
                found.doubt("source", "", told)


def _is_here(path: Path) -> bool:
    try:
        return is_plain(path)
    except OSError:  # a name that no file can have
        return False
