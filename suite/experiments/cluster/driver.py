"""Run jobs on a local Ray, or on a cluster."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import ray
from ray import tune

from suite.experiments.cluster import nodes, packing
from suite.experiments.cluster.connection import connected
from suite.experiments.cluster.ending import Ending, Observe, Stop, Watch
from suite.experiments.cluster.worker import MemoryKept, Worker
from suite.experiments.resources import Resources
from suite.records.jobs import Job, Wanted
from suite.records.record import Record
from suite.records.store import Store

RETRIES = 2  # retries of a killed worker; errors of the work are recorded and not retried

# Tune prints why a worker was replaced; memory that was kept is no error.
logging.getLogger("ray.tune.execution.tune_controller").addFilter(
    lambda record: MemoryKept.__name__ not in str(record.exc_info)
)


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    *,
    address: str | None,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop = lambda needs: False,
    lost: Callable[[str], None],
    records: Iterable[Record] = (),
) -> None:
    """Run jobs on a local Ray or the cluster at `address`, until all are done or `stop` says so.

    lost: interrupts this thread, with a reason; called in another one if Ray is lost. records: of earlier
    trials, whose memory tells how many of their kind share a GPU. Raises ValueError if this machine lacks the
    resources of one trial, or no node has its labels; ConnectionError if no cluster answers; OSError if the
    disk does not take a file.
    """
    given = {job.id: resources.given(job.wanted) for job in jobs}
    with connected(address, lost):
        if address is None:
            _refuse_too_much(given.values())
        nodes.refuse_missing([job.wanted.labels for job in jobs])
        for part in _rounds(jobs, given, store, records):
            if stop(0.0):
                return
            _tune(part, given, store, observe, end, stop)
        starved = [job for job in jobs if 0 < given[job.id].gpus < 1 and _out_of_memory(job, store)]
        if starved and not stop(0.0):
            # A trial that shares a GPU may need all of it: run it once more, alone.
            alone = {job.id: replace(given[job.id], gpus=1.0) for job in starved}
            _tune(starved, alone, store, observe, end, stop)


def _rounds(
    jobs: Sequence[Job], given: dict[str, Resources], store: Store, records: Iterable[Record]
) -> Iterator[Sequence[Job]]:
    """Yield all jobs; those last that wait for the peak memory of their kind. Sets the shares of GPUs.

    given: the resources by job.
    """
    packed = [job for job in jobs if given[job.id].packed]
    found = nodes.gpus() if packed else None
    if found is None:
        yield jobs
        return
    known = packing.peaks(records, found.names)
    begin = {job.id for job in packing.first(packed, known, found.number)}
    waiting = [job for job in packed if job.id not in begin]
    for part in ([job for job in jobs if job not in waiting], waiting):
        for job in part:
            if given[job.id].packed and (peak := known.get(packing.kind(job))):
                given[job.id] = replace(given[job.id], gpus=packing.share(peak, found.memory_bytes))
        if part:
            yield part
        measured = (store.record(cell.id, job.data) for job in part for cell in job.cells)
        known |= packing.peaks(filter(None, measured), found.names)


def _refuse_too_much(given: Iterable[Resources]) -> None:
    """Raise ValueError for more resources than this machine has: Tune would wait forever."""
    for name in ("CPU", "GPU"):
        wanted = max((getattr(each, f"{name.lower()}s") for each in given), default=0)
        if wanted > (available := ray.cluster_resources().get(name, 0)):  # type: ignore[no-untyped-call]
            raise ValueError(
                f"a trial wants {wanted:g} {name}s and this machine has {available:g}; "
                f"lower --{name.lower()}s-per-trial, or {name.lower()}s in the grid's resources"
            )


def _tune(
    jobs: Sequence[Job],
    given: Mapping[str, Resources],
    store: Store,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop,
) -> None:
    for job in jobs:
        store.write_job(job)
    requests = {job.id: _request(given[job.id], job.wanted) for job in jobs}
    # In the store's folder, which every node of a cluster sees; removed at the end.
    folder = tempfile.mkdtemp(dir=store.path.resolve(), prefix=".tune-")
    ending = Ending(stop, Path(folder) / "asked")
    try:
        tune.Tuner(
            tune.with_resources(Worker, lambda config: requests[config["cell"]]),
            param_space={
                "cell": tune.grid_search([job.id for job in jobs]),
                "store": str(store.path.resolve()),
                "asked": str(ending.file),
                "folder": str(Path.cwd()),
                "compile": given[jobs[0].id].compile,
            },
            tune_config=tune.TuneConfig(reuse_actors=True),  # a reused worker starts at once
            run_config=tune.RunConfig(
                name="run",
                storage_path=folder,
                verbose=0,
                stop=ending,
                # Workers write checkpoints to our store.
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                callbacks=[Watch(observe, end, ending)],
            ),
        ).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if ending.fault:
        raise OSError(ending.fault)


def _request(resources: Resources, wanted: Wanted) -> tune.PlacementGroupFactory:
    bundle = {"CPU": resources.cpus, "GPU": resources.gpus}
    return tune.PlacementGroupFactory([bundle], bundle_label_selector=[wanted.labels])


def _out_of_memory(job: Job, store: Store) -> bool:
    failures = [store.last_failure(cell.id) for cell in job.cells]
    return any(failure is not None and failure.status == "oom" for failure in failures)
