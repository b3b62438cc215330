"""Estimate the cost of missing cells from similar finished cells."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from suite.core.names import counted
from suite.records.cells import Cell, Evaluation, Study, Trial
from suite.records.jobs import Job
from suite.records.record import Record


def estimate(jobs: Sequence[Job], left: Iterable[Cell], records: Iterable[Record]) -> str:
    """Return a line on the device-hours of `left`, cells of `jobs`; "" if there are none.

    A cell's cost is the median over finished cells that differ only in the seed. Cells without such a cell
    are not in the sum; the line gives their number.
    """
    known = defaultdict[str, list[float]](list)
    for record in records:
        if record.status == "done":
            known[_kind(record.cell, record.task, record.ipc, record.label)].append(record.device_seconds)
    rows = {cell.id: (job, cell) for job in jobs for cell in job.cells}
    kinds = [
        _kind(cell, job.cell.task, job.size(cell), job.label)
        for job, cell in (rows[cell.id] for cell in left)
    ]
    costs = [median(known[kind]) for kind in kinds if kind in known]
    if not kinds:
        return ""
    if not costs:
        return "no cost estimate: this store has no comparable finished cells"
    line = f"about {sum(costs) / 3600:.1f} device-hours for {counted(len(costs), 'cell')}"
    without = len(kinds) - len(costs)
    return f"{line}; {counted(without, 'cell')} without a comparable record" if without else line


def _kind(cell: Cell, task: str, ipc: int, label: str) -> str:
    """Return a key that is equal for cells that differ only in the seed."""
    where = f"{label} {task} {ipc}"
    if isinstance(cell, Trial):
        return f"{where} {sorted(cell.hyperparameters.items())}"
    if isinstance(cell, Study):
        return f"{where} {cell.study} {sorted(cell.settings.items())}"
    if isinstance(cell, Evaluation):
        return f"{where} {cell.title.split(', draw')[0]} {sorted(cell.settings.items())}"
    return f"{where} {cell.recipe} {cell.network} {cell.epochs} {cell.copies}"
