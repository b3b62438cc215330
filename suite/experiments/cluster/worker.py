"""The worker of a job: a Ray trial that reports progress, and stops if the driver asks for it.

The job itself runs in another process, so that the worker survives its death and reports it.
"""

import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray import tune

from suite.core.files.atomic_write import DiskFault
from suite.experiments.cells.progress import Progress
from suite.experiments.cluster.asking import Asked
from suite.experiments.isolation.job_process import JobProcess
from suite.records.record import Record
from suite.records.remote import working
from suite.records.store import Store

REPORT_SECONDS = 1.0


class Worker(tune.Trainable):
    """One Ray trial: the job of a cell, read from the store."""

    store: Store | None = None
    process: JobProcess

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the job that `config` names."""
        _end_only_by_force()
        if Path(config["folder"]).is_dir():
            os.chdir(config["folder"])  # methods and images may be named by relative paths
        self.asked = Asked(config["asked"])
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another job in the same processes."""
        self.work.close()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """End the process of the job."""
        self.asked.close()
        if self.store is not None:
            self.process.close()
            self.store.close()

    def _begin(self, config: dict[str, Any]) -> None:
        wanted = self.trial_resources
        given = wanted.required_resources if wanted else {}
        cpus, gpus = max(1, int(given.get("CPU", 1))), float(given.get("GPU", 0.0))
        self.job, self.where = str(config["cell"]), place(gpus)
        self.work = self._do(config, {"cpus": cpus, "gpus": gpus, **config["resources"]})

    def _do(self, config: dict[str, Any], resources: dict[str, Any]) -> Generator[Progress, None, None]:
        """Do the job. A store that this node cannot open is a DiskFault here, which ends the run."""
        if self.store is None:
            store = working.of_worker(config["store"])
            self.process = JobProcess(store.path, step_limit=config["step_limit"])
            self.store = store
        job = self.store.job(self.job)
        yield from self.store.following(job, self.process.run(job, resources))

    def step(self) -> dict[str, Any]:
        """Work for `REPORT_SECONDS`, or until a cell begins or ends, and report."""
        until, last = monotonic() + REPORT_SECONDS, Progress(self.job, "starting")
        finished: dict[str, Record] = {}
        try:
            if self.asked.to_stop.is_set():
                self.work.close()  # writes a checkpoint
                return self._report(last, finished, done=True)
            while True:
                last = next(self.work)
                finished |= last.finished
                if not last.steps or monotonic() >= until:
                    break
        except StopIteration:
            return self._report(last, finished, done=True)
        except DiskFault as fault:
            return self._report(last, finished, done=True) | {"fault": str(fault)}
        return self._report(last, finished, done=False)

    def _report(self, last: Progress, finished: dict[str, Record], *, done: bool) -> dict[str, Any]:
        return {
            "job": last.job,
            "doing": last.doing,
            "at": last.step,
            "of": last.steps,
            "finished": {cell: record.model_dump_json() for cell, record in finished.items()},
            "needs": last.needs,
            "latest": dict(last.latest),
            "where": self.where,
            "done": done,
            "fault": "",
        }


def _end_only_by_force() -> None:
    """Let SIGTERM kill this process as SIGKILL does, and Ctrl-C do nothing.

    Ray regards a worker that SIGTERM ended as finished, and would not try its job again. Ctrl-C in a terminal
    also reaches the driver, which ends its workers.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(os.getpid(), signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def place(gpus: float) -> str:
    """Return the machine of this process, with the numbers of its GPUs if it has some."""
    numbers = ", ".join(map(str, ray.get_gpu_ids())) if gpus else ""
    return f"{socket.gethostname()} gpu {numbers}" if numbers else socket.gethostname()
