"""How many trials share a GPU: as many as fit, by the measured peak memory of their kind.

Jobs are of one kind if they differ only in the seed.
"""

from collections.abc import Iterable, Mapping, Sequence

from suite.records.cells import Evaluation
from suite.records.jobs import Job
from suite.records.record import Record

MOST = 8
"""Trials on one GPU at most."""

MARGIN = 1.25
"""The memory for a trial, as a multiple of the measured peak: another seed, and fragments, may need more."""

CONTEXT_BYTES = 2**30
"""Memory of a process on a GPU besides its tensors."""


def share(peak: int, total: int) -> float:
    """Return the share of a GPU for a trial: 1 / n, where n is the most that fit into its memory, up to MOST.

    peak: of the trial's kind, in bytes; total: bytes of the GPU. Shares are rounded down to a ten-thousandth,
    which is Ray's unit, so that n of them never exceed a GPU.
    """
    need = MARGIN * peak + CONTEXT_BYTES
    return int(10_000 / max(1, min(MOST, int(total / need)))) / 10_000


def kind(job: Job) -> str:
    """Return a name that jobs share which differ only in the seed, and so need the same memory."""
    return job.cell.model_copy(update={"seed": 0}).id


def peaks(records: Iterable[Record], devices: Iterable[str]) -> dict[str, int]:
    """Return the highest peak of each kind in bytes, evaluations included, on these devices."""
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
    """Return the jobs that begin: all whose kind's peak is known, and of other kinds one for each whole GPU.

    Of each other kind at least one begins; the rest waits for its peak.
    """
    unknown = dict[str, list[Job]]()
    for job in jobs:
        if kind(job) not in known:
            unknown.setdefault(kind(job), []).append(job)
    each = max(1, gpus // max(1, len(unknown)))
    held = {job.id for same in unknown.values() for job in same[each:]}
    return [job for job in jobs if job.id not in held]
