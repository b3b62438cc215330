"""Records of cells that cost some device-seconds."""

from typing import Any

from suite.records.cells import Cell
from suite.records.jobs import Job
from suite.records.record import Record
from tests.support.board_records import CPU


def record(job: Job, cell: Cell, seconds: float, device: str = "a CPU", **changes: Any) -> Record:
    return Record(
        cell=cell,
        label=job.label,
        task=job.cell.task,
        ipc=job.ipc,
        status="done",
        device_seconds=seconds,
        provenance=CPU.model_copy(update={"device": device}),
        **changes,
    )
