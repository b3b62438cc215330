"""Run one job, from its start to its records, in this process without Ray.

Recorded cells are not done again, so a job can be interrupted at any time and run again.
"""

import re
import traceback
import warnings
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path

from suite.core.data import tasks
from suite.core.execution import compile_cache, compiling
from suite.core.files.atomic_write import disk_fault
from suite.core.memory import out_of_memory
from suite.core.spec import TestSplit
from suite.experiments.cells import sets
from suite.experiments.cells.context import Context, load_task
from suite.experiments.cells.distillation import distil
from suite.experiments.cells.evaluation import evaluate
from suite.experiments.cells.progress import Listener, Lost, Progress, Work
from suite.experiments.cells.reference import train_reference
from suite.experiments.cells.study import measure
from suite.experiments.resources import Resources
from suite.plugins.loading import load
from suite.records.cells import Cell, Reference, Trial
from suite.records.jobs import Job
from suite.records.record import FINAL, Record, Status, loss
from suite.records.store import Store
from suite.records.stores.heartbeat import Heartbeat

_NOT_DETERMINISTIC = re.compile(r"(\S+) does not have a deterministic implementation")

_OWN_FILE = re.compile(r"^ratbench_file_\w+\.")  # the module of a plug-in's file, before its own exceptions

MOST_CHARACTERS = 2000
"""Characters of an error that a record keeps; all of it is in its traceback."""


def run(
    job: Job,
    store: Store,
    resources: Resources,
    *,
    checkpoint_seconds: float = 60.0,
    listener: Listener | None = None,
    settled: Collection[str] = (),
    lost: Mapping[str, Lost] | None = None,
) -> Generator[Progress, None, None]:
    """Do the missing cells of a job and yield progress; errors are recorded, a DiskFault is raised.

    settled: ids of cells that have failed in this run, and are not tried again; lost: cells by their ids that
    are not tried either, since their process died, and whose failures are recorded.
    """
    alive = Heartbeat(store.path, job.id, "starting", resources.device_name)
    with resources.applied(), alive:
        import_module("torch._dynamo")  # else the first optimiser of a process does: its trial would pay
        job = _on_data(job, resources)
        context = Context(job, store, resources, checkpoint_seconds, listener or Listener())
        if resources.compile:
            compile_cache.load(context.compiled)
        _load_method(job)

        def recorded(cell: Cell, work: Work) -> Iterator[Progress]:
            if cell.id not in settled:
                signs = _recorded(cell, work, context, (lost or {}).get(cell.id))
                yield from _told(cell, signs, context, alive)

        if not _is_complete(job, store):
            yield from recorded(job.cell, _work(context))
        for cell in job.evaluations:
            record = store.record_of(job, job.cell)
            if record and sets.is_made(cell, record) and not sets.is_scored(cell, job, store, record):
                yield from recorded(cell, evaluate(cell, context))


def _on_data(job: Job, resources: Resources) -> Job:
    """Return a job with the fingerprint of its data; without one if they cannot be loaded."""
    if job.data:
        return job
    with suppress(Exception):  # the cells, which load them, too, will fail
        task = load_task(job.cell.task, str(resources.device))
        return job.model_copy(update={"data": tasks.fingerprint(task)})
    return job


def _load_method(job: Job) -> None:
    """Load the file of the job's method, which may add parametrisations and recipes of its set."""
    if isinstance(job.cell, Trial) and job.cell.method.endswith(".py"):
        with suppress(ValueError):  # the cell that needs the file will fail
            load(Path(job.cell.method))


def missing(job: Job, store: Store) -> list[Cell]:
    """Return the job's cells without a record that counts, except evaluations of sets that do not exist."""
    record = store.record_of(job, job.cell)
    rest: list[Cell] = [
        cell
        for cell in job.evaluations
        if (record is None or sets.is_made(cell, record)) and not sets.is_scored(cell, job, store, record)
    ]
    return rest if record else [job.cell, *rest]


def due(job: Job, store: Store) -> list[Cell]:
    """Return the cells that `run` will do: those that are missing, and a trial whose set is lost."""
    rest = missing(job, store)
    return [job.cell, *rest] if job.cell not in rest and sets.lost(job, store) else rest


def _is_complete(job: Job, store: Store) -> bool:
    """Return whether the first cell has its record, and all sets if it is a trial."""
    record = store.record_of(job, job.cell)
    return record is not None and not sets.lost(job, store, record)


def _work(context: Context) -> Work:
    cell = context.job.cell
    if isinstance(cell, Trial):
        return distil(cell, context)
    return train_reference(cell, context) if isinstance(cell, Reference) else measure(cell, context)


def _told(
    cell: Cell, signs: Generator[Progress, None, None], context: Context, alive: Heartbeat
) -> Iterator[Progress]:
    """Pass on the progress of a cell, which others read in the store."""
    alive.begin(cell.id)
    compiling.begin()
    context.listener.begin(cell.id)
    with closing(signs):  # closed early, it writes a checkpoint
        for progress in signs:
            alive.tell(progress.doing, progress.step, progress.steps, loss(progress.latest))
            yield progress


def _recorded(cell: Cell, work: Work, context: Context, lost: Lost | None) -> Generator[Progress, None, None]:
    """Do the work and write the record; an error becomes a failure of the cell."""
    before, store, trace = TestSplit.total_reads, context.store, ""
    result = lost or (yield from _attempted(work, context.listener))
    if isinstance(result, Record):
        record: Record = result
    elif isinstance(result, Lost):
        trace = result.output or result.reason
        record = context.record(cell, "failed", error=result.reason, attempts=result.attempts)
    else:
        if fault := disk_fault(result):
            raise fault from None
        status: Status = "oom" if out_of_memory(result) else "failed"
        trace, reads = "".join(traceback.format_exception(result)), TestSplit.total_reads - before
        record = context.record(cell, status, error=_reason(result), test_reads=reads)
    if earlier := store.failure_of(context.job, cell):
        record = record.model_copy(update={"attempts": max(record.attempts, earlier.attempts + 1)})
    record = _with_changes(record, context.listener.changes())
    if record.status in FINAL:
        sets.renew(record, store)
    store.write(record, trace)
    context.save_compiled()
    if record.status in FINAL:
        store.drop_checkpoints(cell.id)
    yield Progress(context.job.id, record.status, finished={cell.id: record})


def _attempted(work: Work, listener: Listener) -> Generator[Progress, None, Record | BaseException]:
    """Do the work; return its record, or the error that ended it, of whatever kind."""
    with closing(work):
        while True:
            try:
                progress = next(work)
            except StopIteration as end:
                record: Record = end.value
                return record
            except BaseException as error:  # a method may also call exit(), or raise what ends generators
                listener.leave_if_forked()
                if isinstance(error, KeyboardInterrupt) and not listener.alone:
                    raise  # the user's
                return error
            yield progress


def _with_changes(record: Record, changes: tuple[str, ...]) -> Record:
    """Return the record with what its work changed of the process, which is also said."""
    if not changes:
        return record
    warnings.warn(f"{record.label}: {record.cell.title} changed {', '.join(changes)}", stacklevel=2)
    provenance = record.provenance.model_copy(update={"changed": changes})
    return record.model_copy(update={"provenance": provenance})


def _reason(error: BaseException) -> str:
    """Return an error in a sentence, and where it was raised."""
    text = _OWN_FILE.sub("", traceback.format_exception_only(error)[-1].strip())
    text = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
    text = text.encode(errors="replace").decode()  # a record has no half characters
    if found := _NOT_DETERMINISTIC.search(text):
        text = f"{found[1]} has no deterministic implementation on this device; run without --deterministic"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
