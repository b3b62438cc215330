"""The context of the work on a cell; it creates the records."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from suite.core.data import tasks
from suite.core.execution import compile_cache
from suite.core.spec import Task
from suite.experiments.cells.progress import Listener
from suite.experiments.provenance import provenance
from suite.experiments.resources import Resources
from suite.records.cells import Cell
from suite.records.datasets import told
from suite.records.jobs import Job
from suite.records.record import Record, Status
from suite.records.store import Store
from suite.records.stores.reading import reason

Of = TypeVar("Of", bound=Cell)


@dataclass(frozen=True)
class Context:
    """The job of a cell, the store, the resources, and who hears of the work."""

    job: Job
    store: Store
    resources: Resources
    checkpoint_seconds: float = 60.0
    listener: Listener = field(default_factory=Listener)

    def task(self) -> Task:
        """Return the job's task on its device, and begin to measure peak memory.

        Raises ValueError if its data are not those of the job.
        """
        task = load_task(self.job.cell.task, str(self.resources.device))
        if self.job.data not in ("", found := tasks.fingerprint(task)):
            raise ValueError(
                f"this process reads {told(found)} for {task.name}, but the run began with "
                f"{told(self.job.data)}; give every node the same files, and run again"
            )
        self.resources.reset_peak_memory()
        return task

    @property
    def compiled(self) -> Path:
        """The folder of compiled steps for this machine's devices."""
        words = f"torch-{torch.__version__} {self.resources.device_name}"
        if self.resources.gpus:
            words += f" {Resources().device_name}"
        return self.store.path / "compiled" / re.sub(r"[^A-Za-z0-9._-]+", "-", words)

    def save_checkpoint(self, cell: str, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint of a cell, and what was compiled for it, which goes on with it elsewhere."""
        self.listener.leave_if_forked()
        self.store.save_checkpoint(cell, step, state)
        self.save_compiled()

    def save_compiled(self) -> None:
        """Write what this process compiled."""
        if self.resources.compile:
            compile_cache.save(self.compiled)

    def record(
        self,
        cell: Of,
        status: Status,
        *,
        seconds: float = 0.0,
        cached_seconds: float = 0.0,
        devices: Sequence[str] = (),
        uncompiled: Sequence[str] = (),
        **measured: Any,
    ) -> Record[Of]:
        """Return the record of a cell of the job.

        seconds: wall time of the work; cached_seconds: time of cached work that is also charged to this cell;
        devices: all that took part; uncompiled: functions that did not compile in an earlier attempt;
        measured: other fields of the record. Raises ValueError for a figure that cannot be.
        """
        self.listener.leave_if_forked()
        measured.setdefault("peak_memory_bytes", self.resources.peak_memory_bytes())
        measured.setdefault("data", self.job.data)
        device_seconds = measured.pop("device_seconds", self.resources.charged(seconds))
        try:
            return Record(
                cell=cell,
                label=self.job.label,
                task=self.job.cell.task,
                ipc=self.job.size(cell),
                status=status,
                recipe=self.job.recipe,
                seconds=seconds,
                device_seconds=device_seconds + self.resources.charged(cached_seconds),
                provenance=provenance(self.resources, devices, uncompiled),
                **measured,
            )
        except ValidationError as error:  # pydantic's text has many lines
            raise ValueError(reason(error)) from None


@lru_cache(maxsize=2)
def load_task(name: str, device: str) -> tasks.LoadedTask:
    """Load a task once per process; trials of one worker share it."""
    return tasks.load(name, device=device)
