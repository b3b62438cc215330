"""How many trials share a GPU: as many as fit, by the measured peak memory of trials of their kind."""

from collections.abc import Iterable, Mapping, Sequence

from suite.records.cells import Evaluation
from suite.records.jobs import Job
from suite.records.record import Record

MOST = 8
"""Trials on one GPU at most."""

MARGIN = 1.25
"""What a trial may need, as a multiple of its measured peak: fragments and another seed cost memory."""

CONTEXT_BYTES = 2**30
"""What a process takes on a GPU beside its tensors."""


def share(peak: int, total: int) -> float:
    """Return the share of a GPU for a trial: 1 / n for the largest n <= MOST that fit into its memory.

    peak: bytes at the peak of a trial of its kind; total: bytes of the GPU. Shares are rounded down to what
    Ray counts, a ten-thousandth, so that n of them never exceed a GPU.
    """
    need = MARGIN * peak + CONTEXT_BYTES
    return int(10_000 / max(1, min(MOST, int(total / need)))) / 10_000


def kind(job: Job) -> str:
    """Return what jobs have in common that differ only in their seed, and take the same memory."""
    return job.cell.model_copy(update={"seed": 0}).id


def peaks(records: Iterable[Record], devices: Iterable[str]) -> dict[str, int]:
    """Return the highest peak in bytes of each kind, with its evaluations, over records of these devices."""
    wanted, kinds, found = set(devices), dict[str, str](), dict[str, int]()
    for record in records:
        if record.provenance.device not in wanted:
            continue
        cell = record.cell
        own = cell.trial if isinstance(cell, Evaluation) else cell.id
        if not isinstance(cell, Evaluation):
            kinds[own] = kind(Job(label=record.label, cell=cell))
        found[own] = max(found.get(own, 0), record.peak_memory_bytes)
    highest = dict[str, int]()
    for own, name in kinds.items():
        highest[name] = max(highest.get(name, 0), found[own])
    return highest


def first(jobs: Sequence[Job], known: Mapping[str, int], gpus: int) -> list[Job]:
    """Return the jobs that begin: all of known kinds, and of others as many as there are whole GPUs for.

    These are at least one of each kind; the others wait for its peak.
    """
    unknown = dict[str, list[Job]]()
    for job in jobs:
        if kind(job) not in known:
            unknown.setdefault(kind(job), []).append(job)
    each = max(1, gpus // max(1, len(unknown)))
    held = {job.id for same in unknown.values() for job in same[each:]}
    return [job for job in jobs if job.id not in held]
