"""Run jobs on a local Ray, or on a cluster."""

import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ray
from ray import tune

from suite.experiments.cluster.connection import connected
from suite.experiments.cluster.ending import Ending, Observe, Stop, Watch
from suite.experiments.cluster.worker import MemoryKept, Worker
from suite.experiments.resources import Resources
from suite.records.jobs import Job
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
) -> None:
    """Run jobs on a local Ray or the cluster at `address`, until all are done or `stop` says so.

    lost: interrupts this thread, with a reason; called in another one if Ray is lost. Raises ValueError if
    this machine lacks the `resources` of one trial, ConnectionError if no cluster answers, and OSError if the
    disk is full.
    """
    with connected(address, lost):
        if address is None:
            _refuse_too_much(resources)
        _tune(jobs, store, resources, observe, end, stop)
        starved = [job for job in jobs if _out_of_memory(job, store)] if 0 < resources.gpus < 1 else []
        if starved and not stop(0.0):
            # A trial that shares a GPU may need all of it: run it once more, alone.
            _tune(starved, store, replace(resources, gpus=1.0), observe, end, stop)


def _refuse_too_much(resources: Resources) -> None:
    """Raise ValueError for more resources than this machine has: Tune would wait forever."""
    for name, wanted in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        if wanted > (available := ray.cluster_resources().get(name, 0)):  # type: ignore[no-untyped-call]
            raise ValueError(
                f"a trial wants {wanted:g} {name}s and this machine has {available:g}; "
                f"lower --{name.lower()}s-per-trial"
            )


def _tune(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop,
) -> None:
    for job in jobs:
        store.write_job(job)
    # In the store's folder, which every node of a cluster sees; removed at the end.
    folder = tempfile.mkdtemp(dir=store.path.resolve(), prefix=".tune-")
    ending = Ending(stop, Path(folder) / "asked")
    try:
        tune.Tuner(
            tune.with_resources(Worker, {"cpu": resources.cpus, "gpu": resources.gpus}),
            param_space={
                "cell": tune.grid_search([job.id for job in jobs]),
                "store": str(store.path.resolve()),
                "asked": str(ending.file),
                "folder": str(Path.cwd()),
                "compile": resources.compile,
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
    if ending.full:
        raise OSError(errno.ENOSPC, "disk full", str(store.path))


def _out_of_memory(job: Job, store: Store) -> bool:
    failures = [store.last_failure(cell.id) for cell in job.cells]
    return any(failure is not None and failure.status == "oom" for failure in failures)
