"""Jobs on Ray Tune, which only schedules them; the records on disk show which cells are done."""

import errno
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from suite.core.data.atomic_write import disk_full
from suite.core.data.tasks import data_folder
from suite.experiments.cells.context import Progress
from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store

# Read when ray is imported: no usage reports, no token in the home folder, no output of Tune's own,
# no working directory for each trial, and Ctrl-C left to the driver.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")

import ray
from ray import tune

REPORT_SECONDS = 1.0
RETRIES = 2  # retries of a killed worker; errors of the work are recorded and not retried

Observe = Callable[[Progress], None]


class _Worker(tune.Trainable):
    """One Ray trial: the job of a cell, read from the store."""

    def setup(self, config: dict[str, Any]) -> None:
        if Path(config["folder"]).is_dir():
            os.chdir(config["folder"])  # methods and images may be named by relative paths
        store = Store(Path(config["store"]))
        self.job = store.job(config["cell"])
        wanted = self.trial_resources
        given = wanted.required_resources if wanted else {}
        cpus, gpus = max(1, int(given.get("CPU", 1))), float(given.get("GPU", 0.0))
        self.work = run(self.job, store, Resources(cpus, gpus, config["compile"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Work for `REPORT_SECONDS` and report."""
        until, last = monotonic() + REPORT_SECONDS, Progress(self.job.id, "starting")
        finished: dict[str, str] = {}
        try:
            while monotonic() < until:
                last = next(self.work)
                finished |= last.finished
        except StopIteration:
            return _report(last, finished, done=True)
        except OSError as error:
            if not disk_full(error):
                raise
            return _report(last, finished, done=True) | {"disk_full": True}
        return _report(last, finished, done=False)


def _report(last: Progress, finished: dict[str, str], *, done: bool) -> dict[str, Any]:
    return {
        "job": last.job,
        "doing": last.doing,
        "at": last.step,
        "of": last.steps,
        "finished": finished,
        "done": done,
        "disk_full": False,
    }


class _Watch(tune.Callback):
    """Pass reports on to the display."""

    def __init__(self, observe: Observe, end: Callable[[str], None]) -> None:
        self.observe, self.end = observe, end

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune saves callbacks for a restore, which is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self.observe(Progress(result["job"], result["doing"], result["at"], result["of"], result["finished"]))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self.end(trial.config["cell"])

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self.end(trial.config["cell"])


class _StopWhenFull(tune.Stopper):
    """Stop every trial when the disk is full, since all others would fail."""

    def __init__(self) -> None:
        self.full = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self.full = self.full or bool(result.get("disk_full"))
        return self.full

    def stop_all(self) -> bool:
        return self.full


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    *,
    address: str | None,
    observe: Observe,
    end: Callable[[str], None],
) -> None:
    """Run jobs on a local Ray or the cluster at `address`.

    Raises ValueError if this machine lacks the `resources` of one trial, ConnectionError if no cluster
    answers, and OSError if the disk is full.
    """
    with _ray(address):
        if address is None:
            _refuse_too_much(resources)
        _tune(jobs, store, resources, observe, end)
        if 0 < resources.gpus < 1 and (starved := [job for job in jobs if _out_of_memory(job, store)]):
            # A trial that shares a GPU may need all of it: run it once more, alone.
            _tune(starved, store, replace(resources, gpus=1.0), observe, end)


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Connect to Ray, and keep our handler of SIGTERM, because Ray's handler aborts without cleaning up."""
    ours = signal.getsignal(signal.SIGTERM)
    try:
        _connect(address)
        signal.signal(signal.SIGTERM, ours)
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    if address is None:
        ray.init(
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100 * 2**20,
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


def _refuse_silence(address: str) -> None:
    """Raise ConnectionError if nothing listens at a host and port: Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
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
    jobs: Sequence[Job], store: Store, resources: Resources, observe: Observe, end: Callable[[str], None]
) -> None:
    for job in jobs:
        store.write_job(job)
    # In the store's folder, which every node of a cluster sees; removed at the end.
    folder = tempfile.mkdtemp(dir=store.path.resolve(), prefix=".tune-")
    stop = _StopWhenFull()
    try:
        tune.Tuner(
            tune.with_resources(_Worker, {"cpu": resources.cpus, "gpu": resources.gpus}),
            param_space={
                "cell": tune.grid_search([job.id for job in jobs]),
                "store": str(store.path.resolve()),
                "folder": str(Path.cwd()),
                "compile": resources.compile,
            },
            # A reused worker starts at once; on a GPU it may keep memory (ray #32698).
            tune_config=tune.TuneConfig(reuse_actors=not resources.gpus),
            run_config=tune.RunConfig(
                name="run",
                storage_path=folder,
                verbose=0,
                stop=stop,
                # Workers write checkpoints to our store.
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                callbacks=[_Watch(observe, end)],
            ),
        ).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if stop.full:
        raise OSError(errno.ENOSPC, "disk full", str(store.path))


def _out_of_memory(job: Job, store: Store) -> bool:
    failures = [store.last_failure(cell.id) for cell in job.cells]
    return any(failure is not None and failure.status == "oom" for failure in failures)
