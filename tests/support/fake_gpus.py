"""A worker whose GPU is this machine's CPU, for Ray that counts GPUs that are not there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from suite.experiments.cells.progress import Progress
from suite.experiments.cluster.worker import Worker
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store

NAME = "Fake GPU"
GIB = 2**30


@contextmanager
def _unlimited(resources: Resources) -> Iterator[None]:
    yield


def _here(process: JobProcess, job: Job, resources: Mapping[str, Any]) -> Iterator[Progress]:
    """Run a job in the worker, where the GPU is fake."""
    return run(job, Store(process.store), Resources(**resources))


class OnFakeGpu(Worker):
    """Each trial takes a GiB of a GPU."""

    def setup(self, config: dict[str, Any]) -> None:
        fakes: dict[str, Any] = {
            "device": property(lambda _: torch.device("cpu")),
            "device_name": property(lambda _: NAME),
            "peak_memory_bytes": lambda _: GIB,
            "reset_peak_memory": lambda _: None,
            "synchronise": lambda _: None,
            "release": lambda _: True,
            "_limited_memory": _unlimited,
        }
        for name, value in fakes.items():
            setattr(Resources, name, value)
        JobProcess.run = _here  # type: ignore[assignment, method-assign]
        super().setup(config)
