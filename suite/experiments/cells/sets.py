"""The sets of a trial in the store: whether they are those of its record, and what follows if not."""

import hashlib
import json
from pathlib import Path

from suite.core.sets import sealing
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout, reading


def lost(job: Job, store: Store, record: Record | None = None) -> str:
    """Return what is wrong with the sets of a recorded trial; "" if nothing is, and for other jobs.

    They are the set that its record names, and the snapshots that its evaluations score. Each file is read
    once and then known by its size and its time of change. Raises DiskFault if the disk does not give it.
    record: the trial's, if it was read.
    """
    record = record or store.record_of(job, job.cell)
    if record is None or not isinstance(job.cell, Trial):
        return ""
    finished = [None, *sorted(job.snapshots)] if record.status == "done" else []
    moments = [each.step for each in record.moments if each.step and each.budget in job.budgets]
    for step in (*finished, *moments):
        path = store.artefact(job.id, step, job.data)
        try:
            trial, _, sha256 = store.known.of(path.with_suffix(".json"), _said).partition(" ")
            made = store.known.of(path, _sha256)
        except FileNotFoundError as error:
            return f"{error.filename or path} is missing"
        except ValueError as error:
            why = reading.reason(error).replace(f"{path} ", "it ", 1)
            return f"{path} or its manifest is damaged ({why})"
        if trial != job.id:
            return f"{path} is the set of another trial"
        if made != sha256:
            return f"{path} is damaged (it does not match the sha256 in its manifest)"
        if step is None and record.artefact not in ("", made):
            return f"{path} is not the set that its record names"
    return ""


def kept(job: Job, store: Store) -> str:
    """Return the sha256 of the set of a finished trial, which another process may have written; else ""."""
    record = store.record_of(job, job.cell)
    return record.artefact if record and record.status == "done" and not lost(job, store) else ""


def is_made(cell: Evaluation, trial: Record) -> bool:
    """Return whether an evaluation of a recorded trial can be done: there is a set, maybe from before the
    trial diverged, or there was none in time.
    """
    in_time = {each.budget for each in trial.moments if each.step}
    return trial.status in ("done", "late") or cell.device_seconds in in_time


def is_scored(cell: Evaluation, job: Job, store: Store, trial: Record | None = None) -> bool:
    """Return whether an evaluation has a record, and not one of another set than the trial's record names.

    trial: the record of the trial, if it was read. Earlier releases did not record which set was scored.
    """
    record, trial = store.record_of(job, cell), trial or store.record_of(job, job.cell)
    if record is None or trial is None or cell.of_snapshot:
        return record is not None
    return record.artefact == trial.artefact or "" in (record.artefact, trial.artefact)


def renew(record: Record, store: Store) -> None:
    """Set aside what a cell's new record contradicts: its earlier one, and evaluations of its former set.

    Nothing happens if the set is the same: then the earlier record stays. Evaluations go first: a crash in
    between leaves none without the record of its set.
    """
    earlier = store.earlier(record)
    if earlier is None or _made(earlier, record) == _made(record, record):
        return
    paths = list(layout.files(store.path / "records"))
    for kind in ("evaluation", record.cell.kind):
        for path in paths:
            if _is_of(path, record, kind):
                store.set_aside(path, "is of a set that was lost, and the trial gave another one")


def _made(record: Record, other: Record) -> tuple[object, ...]:
    """Return what tells the sets of a trial apart; a record without a sha256 has the other's."""
    steps = [(each.budget, each.step) for each in record.moments]
    return record.status, record.artefact or other.artefact, steps


def _is_of(path: Path, record: Record, kind: str) -> bool:
    """Return whether a file is a cell's record, or that of an evaluation of it, on the same data."""
    try:
        found = reading.checked(path)
    except (FileNotFoundError, ValueError):
        return False
    own = {found.cell.id, getattr(found.cell, "trial", "")}
    return found.cell.kind == kind and record.cell.id in own and found.data in ("", record.data)


def _said(manifest: bytes) -> str:
    """Return the id of the trial and the sha256 of the file that a manifest names; raises ValueError."""
    try:
        facts = json.loads(manifest)
        sealing.check(facts)
        return f"{Trial.model_validate(facts['trial']).id} {facts['sha256']}"
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the manifest has no {error}") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
