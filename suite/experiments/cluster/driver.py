"""Run jobs on a local Ray, or on a cluster."""

import errno
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from suite.core.data.tasks import data_folder
from suite.experiments import job_runner
from suite.experiments.cells.progress import Lost
from suite.experiments.cluster.ending import SIGNALS, Ending, Observe, Stop, Watch
from suite.experiments.cluster.worker import Worker
from suite.experiments.isolation.job_process import StepLimit
from suite.experiments.job_runner import due
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store

SOCKET_FOLDER = 35
"""Bytes of a temporary folder's path, below which the path of a socket of Ray has at most 103."""

RETRIES = 2  # retries of a killed worker; errors of the work are recorded and not retried


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    *,
    address: str | None,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop = lambda needs: False,
    step_limit: StepLimit | None = None,
) -> None:
    """Run jobs on a local Ray or the cluster at `address`, until all are done or `stop` says so.

    Raises ValueError if this machine lacks the `resources` of one trial, ConnectionError if no cluster
    answers, and OSError if the disk is full.
    """
    with _ray(address):
        if address is None:
            _refuse_too_much(resources)
        _tune(jobs, store, resources, observe, end, stop, step_limit)
        starved = [job for job in jobs if _out_of_memory(job, store)] if 0 < resources.gpus < 1 else []
        if starved and not stop(0.0):
            # A trial that shares a GPU may need all of it: run it once more, alone.
            _tune(starved, store, replace(resources, gpus=1.0), observe, end, stop, step_limit)


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Connect to Ray, and keep our handlers of signals: Ray's abort without cleaning up.

    SIGUSR1 is blocked during the start, and therefore in all processes of a local Ray: Slurm may send it to
    them, too, and it would end them. Signals wait until Ray has ended, which removes their handlers.
    """
    ours = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with _blocked({signal.SIGUSR1}, ours):
            _connect(address)
        yield
    finally:
        with _blocked(SIGNALS, ours):
            ray.shutdown()


@contextmanager
def _blocked(signals: Collection[signal.Signals], handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Block signals in the body of the `with` statement; set all handlers at its end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _connect(address: str | None) -> None:
    if address is None:
        ray.init(
            address="local",  # whatever RAY_ADDRESS says
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100 * 2**20,
            _temp_dir=str(_short_folder()),
        )
        return
    _refuse_silence(address)
    environment = {"RATBENCH_DATA": str(data_folder().resolve())}
    ray.init(
        address=address,
        runtime_env={"env_vars": environment},
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _short_folder() -> Path:
    """Return where Ray puts its sockets, whose paths have a limit; raises ValueError if no place will do."""
    for folder in dict.fromkeys((tempfile.gettempdir(), "/tmp")):
        if len(os.fsencode(folder)) <= SOCKET_FOLDER and os.access(folder, os.W_OK):
            return Path(folder) / "ray"
    raise ValueError(
        f"the path of the temporary folder {tempfile.gettempdir()} is too long for Ray's sockets; set TMPDIR "
        f"to one of at most {SOCKET_FOLDER} bytes, or use --inline"
    )


def _refuse_silence(address: str) -> None:
    """Raise ConnectionError if nothing listens at a host and port: Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(f"no Ray cluster answers at {address}: {error}") from None


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
    step_limit: StepLimit | None,
) -> None:
    for job in jobs:
        store.write_job(job)
    # In the store's folder, which every node of a cluster sees; removed at the end.
    folder = tempfile.mkdtemp(dir=store.path.resolve(), prefix=".tune-")
    ending = Ending(stop, Path(folder) / "asked")
    watch = Watch(observe, end, ending)
    try:
        tune.Tuner(
            tune.with_resources(Worker, {"cpu": resources.cpus, "gpu": resources.gpus}),
            param_space={
                "cell": tune.grid_search([job.id for job in jobs]),
                "store": str(store.path.resolve()),
                "asked": str(ending.file),
                "folder": str(Path.cwd()),
                "resources": {"compile": resources.compile, "deterministic": resources.deterministic},
                "step_limit": step_limit,
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
                callbacks=[watch],
            ),
        ).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if ending.full:
        raise OSError(errno.ENOSPC, "disk full", str(store.path))
    for job in jobs:
        if job.id in watch.lost:
            _give_up(job, watch.lost[job.id], store, resources, observe)


def _give_up(job: Job, reason: str, store: Store, resources: Resources, observe: Observe) -> None:
    """Record the failure of a job whose workers died, each time."""
    if cells := due(job, store):
        lost = Lost(f"its worker died {RETRIES + 1} times: {reason}", RETRIES + 1)
        for progress in job_runner.run(job, store, replace(resources, gpus=0.0), lost={cells[0].id: lost}):
            observe(progress)
            break


def _out_of_memory(job: Job, store: Store) -> bool:
    failures = [store.last_failure(cell.id) for cell in job.cells]
    return any(failure is not None and failure.status == "oom" for failure in failures)
