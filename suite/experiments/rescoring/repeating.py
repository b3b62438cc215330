"""Choose evaluations of stores at random, and repeat them. Nothing is written to a store.

A repetition reads the test split as the recorded evaluation did. These reads are told, but no record counts
them: the rule of one read protects choices, and nothing is chosen here.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from suite.core.data import tasks
from suite.core.data.reading.download import nothing_fetched
from suite.experiments.cells.context import Context, load_task
from suite.experiments.cells.evaluation import evaluate
from suite.experiments.cells.progress import Work
from suite.experiments.cells.reference import train_reference
from suite.experiments.rescoring.judging import Comparison, Spread, same_place
from suite.experiments.resources import Resources
from suite.records.cells import Evaluation, Reference, Trial, scoring
from suite.records.jobs import Job
from suite.records.record import Record, is_of
from suite.records.store import Store
from suite.records.stores import reading

_Row = tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """An evaluation or a reference that may be repeated. seconds: the time that it took."""

    store: Path
    cell: str
    data: str
    title: str
    seconds: float
    row: _Row


@dataclass
class Candidates:
    """What can be repeated in stores, and how accuracies vary in each row and in each table of rows."""

    every: list[Candidate] = field(default_factory=list)
    rows: dict[_Row, Spread] = field(default_factory=dict)
    tables: dict[_Row, Spread] = field(default_factory=dict)

    @classmethod
    def of(cls, stores: Sequence[Path]) -> "Candidates":
        """Return the finished evaluations and references of `stores` that have accuracies."""
        made = cls()
        for path in stores:
            for record in reading.records(Store(path, read_only=True)):
                made._add(path, record)
        return made

    def _add(self, path: Path, record: Record) -> None:
        cell, values = record.cell, record.scores.get("accuracy", ())
        if record.status != "done" or not values or not isinstance(cell, Evaluation | Reference):
            return
        row = (str(path), record.task, str(record.ipc), record.data, scoring(cell), record.label)
        for spreads, key in ((self.rows, row), (self.tables, row[:-1])):
            spreads[key] = spreads.get(key, Spread()) + Spread.of(values)
        size = f" ipc {record.ipc}" if record.ipc else ""
        title = f"{record.label} on {record.task}{size}, {cell.title}, cell {cell.id[:12]}"
        self.every.append(Candidate(path, cell.id, record.data, title, record.seconds, row))

    def spreads(self, of: Candidate) -> tuple[Spread, Spread]:
        """Return the spread of a candidate's row, and of its table."""
        return self.rows[of.row], self.tables[of.row[:-1]]

    def choose(self, count: int, seed: int) -> list[Candidate]:
        """Return `count` of them, or all if there are fewer, in a random order."""
        ordered = sorted(self.every, key=lambda each: (str(each.store), each.cell, each.data))
        order = np.random.default_rng(seed).permutation(len(ordered))[:count]
        return [ordered[at] for at in order]


@dataclass(frozen=True)
class Repeated:
    """A repetition and its reads of the test split."""

    comparison: Comparison
    test_reads: int


def repeat(candidate: Candidate, row: Spread, table: Spread) -> Repeated:
    """Repeat an evaluation or a reference on this machine.

    row, table: the spreads of its row and table. Raises ValueError, with the reason, if it cannot be done.
    """
    store = Store(candidate.store, read_only=True)
    record = store.record(candidate.cell, candidate.data)
    if record is None:
        raise ValueError("its record no longer exists")
    resources = _resources(record)
    with tempfile.TemporaryDirectory(prefix="ratbench-") as place, resources.applied(), nothing_fetched():
        task = load_task(record.task, str(resources.device))
        if not tasks.is_of(record.data, task):
            raise ValueError("its data differ from those on this machine")
        if is_of(record, Reference):
            job = Job(label=record.label, cell=record.cell)
            work = train_reference(record.cell, Context(job, Store.create(Path(place)), resources))
        elif is_of(record, Evaluation):
            work = _evaluation(record, store, resources)
        else:
            raise ValueError("it is neither an evaluation nor a reference")
        again = _ended(work)
    here = again.provenance
    comparison = Comparison(
        recorded=record.scores["accuracy"],
        repeated=again.scores["accuracy"],
        row=row,
        table=table,
        must_be_equal=same_place(record.provenance, here),
        commits=(record.provenance.commit, here.commit),
    )
    return Repeated(comparison, again.test_reads)


def _evaluation(record: Record[Evaluation], store: Store, resources: Resources) -> Work:
    """Return the work of an evaluation of the recorded set; no code of a record is run."""
    cell = record.cell
    if cell.source or (cell.base or cell.evaluator).endswith(".py"):
        raise ValueError("its evaluator or its recipe is a plug-in, whose code an audit does not run")
    of = store.record(cell.trial, record.data)
    if of is None or not is_of(of, Trial):
        raise ValueError("the record of its trial is missing")
    path = store.artefact(cell.trial, None, record.data)
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != of.artefact:
        raise ValueError("the set of its trial is missing, or not the recorded one")
    job = Job(label=record.label, cell=of.cell, recipe=of.recipe)
    return evaluate(cell, Context(job, store, resources))


def _ended(work: Work) -> Record:
    """Do work to its end and return its record."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            made: Record = ended.value
            return made


def _resources(record: Record) -> Resources:
    """Return the resources that a record had, as far as this machine has them."""
    made = record.provenance
    gpu = not made.device.startswith("CPU") and torch.cuda.is_available()
    threads = min(made.threads, os.cpu_count() or 1)
    return Resources(threads, float(gpu), made.versions.get("torch.compile") != "off")
