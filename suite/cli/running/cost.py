"""Estimate the device time of missing cells from what cells like them have cost."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from suite.board.atlas.costs import Cost, StepCost, cost, step_costs
from suite.board.atlas.targets import COSTS, Target
from suite.core.names import counted
from suite.records.cells import Cell, Evaluation, Reference, Study, Trial, canonical_json
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import reading

RESULTS = Path("results")
"""The committed results, where the command is called beside them."""

OWN = "this store"


class Kind(NamedTuple):
    """What cells have in common that cost the same: all but the seed, and the number of copies."""

    task: str
    ipc: int
    what: str
    label: str


class Costs:
    """Costs by kinds of cells: of a store's own records, else of others, else the budget, or steps."""

    def __init__(
        self, own: Iterable[Record], others: Iterable[Record] = (), steps: Sequence[StepCost] = ()
    ) -> None:
        self._sources = [(_measured(own), OWN), (_measured(others), "committed results")]
        self._steps = steps

    @classmethod
    def known(cls, own: Iterable[Record]) -> "Costs":
        """Return the costs in a store's records, in `results/`, and in the file of the package."""
        return cls(own, committed(), step_costs(COSTS))

    def of(self, job: Job, cell: Cell) -> Cost | None:
        """Return the cost of a job's cell; None if nothing like it was measured."""
        kind = kind_of(job, cell)
        for measured, source in self._sources:
            # A set of another row takes as long to score, unless it is decoded to more images.
            for name in (kind, kind._replace(label="")):
                if name in measured:
                    seconds, device = measured[name]
                    return Cost(seconds * _copies(cell), device, source)
        if not isinstance(cell, Trial):
            return None
        if cell.device_seconds:
            return Cost(cell.device_seconds, "any device", "the budgets")
        return None if cell.source else self._by_steps(cell)

    def _by_steps(self, trial: Trial) -> Cost | None:
        values, steps = canonical_json(trial.hyperparameters), trial.hyperparameters.get("steps")
        target = Target(trial.task, trial.method, values, trial.ipc, recipe="", network="", steps=steps)
        return cost(target, self._steps)


def committed() -> Iterator[Record]:
    """Yield the records in `results/`."""
    for path in sorted(RESULTS.glob("**/store.json")):
        yield from reading.records(Store(path.parent))


def told(costs: Sequence[Cost | None]) -> Iterator[str]:
    """Yield lines on the sum of the costs on each device, and on the number of cells without one."""
    for device, found in by_device(costs).items():
        sources = sorted({each.source.partition(":")[0] for each in found})
        yield (
            f"about {hours(found)} device-hours on {device} for {counted(len(found), 'cell')}, "
            f"by {' and '.join(sources)}"
        )
    if without := sum(each is None for each in costs):
        them = "it" if without == 1 else "them"
        yield f"unknown cost: {counted(without, 'cell')}, since nothing like {them} was measured"


def by_device(costs: Iterable[Cost | None]) -> dict[str, list[Cost]]:
    """Return the known costs by device: hours of several are not to be added."""
    devices = defaultdict[str, list[Cost]](list)
    for each in filter(None, costs):
        devices[each.device].append(each)
    return dict(sorted(devices.items()))


def hours(costs: Iterable[Cost]) -> str:
    """Return the sum of costs in hours, to two digits, and 0.001 for less."""
    value = sum(each.seconds for each in costs) / 3600
    if value < 0.001:
        return "0.001" if value else "0"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _measured(records: Iterable[Record]) -> dict[Kind, tuple[float, str]]:
    """Return the median device-seconds of each kind, per copy, and their device: the most used one."""
    found = defaultdict[Kind, list[tuple[str, float]]](list)
    for record in records:
        if record.status == "done":
            kind = _kind(record.cell, record.task, record.ipc, record.label)
            pair = record.provenance.device, record.device_seconds / _copies(record.cell)
            for name in {kind, kind._replace(label="")}:
                found[name].append(pair)
    used = Counter(device for pairs in found.values() for device, _ in pairs)
    table = {}
    for kind, pairs in found.items():
        device = max((device for device, _ in pairs), key=lambda name: (used[name], name))
        table[kind] = median(seconds for name, seconds in pairs if name == device), device
    return table


def kind_of(job: Job, cell: Cell) -> Kind:
    """Return what a job's cell has in common with those that cost the same."""
    return _kind(cell, job.cell.task, job.size(cell), job.label)


def _kind(cell: Cell, task: str, ipc: int, label: str) -> Kind:
    if isinstance(cell, Trial):
        return Kind(task, ipc, f"{cell.method} {canonical_json(cell.fields)}", "")
    if isinstance(cell, Study):
        return Kind(task, ipc, f"{cell.study} {canonical_json(cell.settings)}", "")
    if isinstance(cell, Reference):
        return Kind(task, ipc, f"{cell.recipe} {cell.network} {cell.epochs}", "")
    settings = {key: value for key, value in cell.settings.items() if key != "copies"}
    return Kind(task, ipc, f"{cell.base or cell.evaluator} {cell.source} {canonical_json(settings)}", label)


def _copies(cell: Cell) -> int:
    """Return the networks that a cell trains, each of which takes as long."""
    copies = cell.settings.get("copies") if isinstance(cell, Evaluation) else getattr(cell, "copies", 1)
    return copies if isinstance(copies, int) and copies > 0 else 1
