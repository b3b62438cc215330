"""What the cells that are still to do may cost, by what cells like them have cost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from suite.records.cells import Cell, Evaluation, Trial
from suite.records.jobs import Job
from suite.records.record import Record


def estimate(jobs: Sequence[Job], left: Iterable[Cell], records: Iterable[Record]) -> str:
    """Say in a line how many device-hours `left`, cells of `jobs`, may take; nothing where none is left.

    A cell is taken to cost what those of other seeds have: of the same task, size and settings. Where there
    is none it is not counted, and the line says of how many cells that is so.
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
        return "their cost is not known: no cell like them is recorded in this store"
    rest = f"; of {len(kinds) - len(costs)} none like it is recorded" if len(costs) < len(kinds) else ""
    return f"about {sum(costs) / 3600:.1f} device-hours for {len(costs)} of these{rest}"


def _kind(cell: Cell, task: str, ipc: int, label: str) -> str:
    """Return what a cell shares with those that differ from it in the seed alone."""
    where = f"{label} {task} {ipc}"
    if isinstance(cell, Trial):
        return f"{where} {sorted(cell.hyperparameters.items())}"
    if isinstance(cell, Evaluation):
        return f"{where} {cell.title.split(', draw')[0]} {sorted(cell.settings.items())}"
    return f"{where} {cell.recipe} {cell.network} {cell.epochs} {cell.copies}"
