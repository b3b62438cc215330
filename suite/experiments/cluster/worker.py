"""The worker of a job: a Ray trial that reports progress, and stops where the driver asks it to."""

import os
import socket
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray import tune

from suite.core.data.atomic_write import DiskFault
from suite.experiments.cells.context import Progress, load_task
from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.records.record import Record
from suite.records.store import Store

REPORT_SECONDS = 1.0


class MemoryKept(RuntimeError):
    """A worker still holds GPU memory after its job, so that Tune must replace it."""


class Worker(tune.Trainable):
    """One Ray trial: the job of a cell, read from the store."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the job that `config` names."""
        if Path(config["folder"]).is_dir():
            os.chdir(config["folder"])  # methods and images may be named by relative paths
        store = Store(Path(config["store"]))
        self.job, self.asked = store.job(config["cell"]), Path(config["asked"])
        wanted = self.trial_resources
        given = wanted.required_resources if wanted else {}
        cpus, gpus = max(1, int(given.get("CPU", 1))), float(given.get("GPU", 0.0))
        self.resources = Resources(cpus, gpus, config["compile"])
        self.where = place(gpus)
        self.work = run(self.job, store, self.resources)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another job in the same process."""
        self.work.close()
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Work for `REPORT_SECONDS`, or until a cell begins or ends, and report."""
        until, last = monotonic() + REPORT_SECONDS, Progress(self.job.id, "starting")
        finished: dict[str, Record] = {}
        try:
            if _is_asked_to_stop(self.asked):
                self.work.close()  # writes a checkpoint
                return self._report(last, finished, done=True)
            while True:
                last = next(self.work)
                finished |= last.finished
                if not last.steps or monotonic() >= until:
                    break
        except StopIteration:
            self._free_memory()
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

    def _free_memory(self) -> None:
        """Free the GPU for the next job of this process; raises MemoryKept if that fails.

        The job is then run once more, which finds it done: Tune gives up a job that `reset_config` refuses.
        """
        if self.resources.gpus:
            load_task.cache_clear()
        if not self.resources.release():
            raise MemoryKept(f"GPU memory is in use after {self.job.label}; another worker goes on")


def place(gpus: float) -> str:
    """Return the machine of this process, and its GPUs by number if it has some."""
    numbers = ", ".join(map(str, ray.get_gpu_ids())) if gpus else ""
    return f"{socket.gethostname()} gpu {numbers}" if numbers else socket.gethostname()


def _is_asked_to_stop(file: Path) -> bool:
    """Return whether the driver wrote to the file, which it makes empty and removes at its end.

    Other nodes may see a new file late, but its content at once when they open it.
    """
    try:
        return bool(file.read_bytes())
    except OSError:
        return True
