"""Trials with a budget on several classes of devices: told apart, and how the devices relate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from suite.board.columns.costs import device_class
from suite.records.cells import Evaluation, Trial
from suite.records.record import Record, is_of


@dataclass(frozen=True)
class Calibration:
    """How many outer steps trials took on a device for one on another, in the same device-seconds.

    device, other: classes of devices; ratio: the median over trials that both ran, low, high: the smallest
    and the largest; trials: their number.
    """

    device: str
    other: str
    ratio: float
    low: float
    high: float
    trials: int


def told_apart(stores: Sequence[Sequence[Record]]) -> list[list[Record]]:
    """Return the records of each store; what a budget bought on another class of devices is another cell.

    The class that comes first keeps its cells. A trial of another class, and the evaluations of its sets, get
    cells with the device.
    """
    first: dict[tuple[str, str], str] = {}
    found = []
    for records in stores:
        renamed: dict[tuple[str, str], Trial] = {}
        for record in records:
            if is_of(record, Trial) and record.cell.device_seconds:
                key, device = (record.cell.id, record.data), device_class([record])
                if first.setdefault(key, device) != device:
                    renamed[key] = record.cell.model_copy(update={"device": device})
        found.append([_renamed(record, renamed) for record in records] if renamed else list(records))
    return found


def _renamed(record: Record, trials: dict[tuple[str, str], Trial]) -> Record:
    cell = record.cell
    of = trials.get((cell.trial if isinstance(cell, Evaluation) else cell.id, record.data))
    if of is None:
        return record
    own = cell.model_copy(update={"trial": of.id}) if isinstance(cell, Evaluation) else of
    return record.model_copy(update={"cell": own})


def calibrations(records: Iterable[Record]) -> list[Calibration]:
    """Return how each two classes of devices relate, by the steps until the last budget that both have left.

    Trials that had ended by then, or had taken no step, are left out.
    """
    steps: dict[tuple[str, str], dict[str, dict[float, int]]] = {}
    for record in records:
        if is_of(record, Trial) and record.moments:
            taken = {each.budget: each.step for each in record.moments}
            steps.setdefault((record.cell.anywhere, record.data), {})[device_class([record])] = taken
    ratios: dict[tuple[str, str], list[float]] = {}
    for devices in steps.values():
        for pair in combinations(sorted(devices), 2):
            one, other = (devices[name] for name in pair)
            common = [budget for budget in one if one[budget] and other.get(budget)]
            if common:
                ratios.setdefault(pair, []).append(one[max(common)] / other[max(common)])
    return [
        Calibration(*pair, median(values), min(values), max(values), len(values))
        for pair, values in sorted(ratios.items())
    ]
