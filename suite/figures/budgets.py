"""One set for many budgets: which accuracies make a curve over images per class, and what is said of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from suite.board import files
from suite.board.join import EVALUATOR
from suite.board.statistics.differences import Copies, Difference, Scored, difference
from suite.board.statistics.intervals import Interval, interval
from suite.figures import snapshots
from suite.records.cells import RANDOM, Evaluation, Trial
from suite.records.record import Record, is_of

PLACE = ["task", "network", "recipe"]
"""What curves that are compared have in common."""

_WHOLE = "whole"
_DRAWN = ("random", "without")  # parts of which one set has many: each is a unit, the mean of its networks
_WORDS = {"prefix": "prefixes of {}", "random": "random subsets of {}", "without": "{} without one image"}
_COLUMNS = [*PLACE, "name", "method", "how", "ipc", "of", "index", "seed", "networks", "accuracy", "seconds"]


@dataclass(frozen=True)
class Line:
    """A curve over images per class. rows: of `measured`; how: what its sets are, apart from whole ones."""

    name: str
    how: str
    rows: pd.DataFrame

    @property
    def direct(self) -> bool:
        """Whether each size was distilled for itself."""
        return self.how == _WHOLE

    @property
    def real(self) -> bool:
        """Whether its images are random real ones: what costs nothing."""
        return self.direct and self.rows["method"].iloc[0] == RANDOM

    @property
    def sizes(self) -> list[int]:
        """Images per class at which it has an accuracy."""
        return sorted(int(size) for size in self.rows["ipc"].unique())

    @property
    def device_seconds(self) -> float:
        """Device-seconds of distilling all that it needs: once per size, or the largest once."""
        each = self.rows.drop_duplicates(["of", "seed"]).groupby("of")["seconds"].mean()
        return float(each.sum())

    def scored(self, ipc: int) -> Scored:
        """Return the accuracies in % at a size by distillation seed: of its networks, or of its parts."""
        found = {}
        for seed, own in self.rows[self.rows["ipc"] == ipc].groupby("seed"):
            if own["how"].iloc[0] in _DRAWN:
                found[int(str(seed))] = Copies(-1, tuple(own.groupby("index")["accuracy"].mean()))
            else:
                found[int(str(seed))] = Copies(int(own["networks"].iloc[0]), tuple(own["accuracy"]))
        return found

    def accuracy(self, ipc: int) -> Interval:
        """Return the mean accuracy in % at a size and its 95% interval, seeds the unit of variation."""
        return interval([copies.values for copies in self.scored(ipc).values()])

    def area(self, sizes: Sequence[int]) -> Interval | None:
        """Return the mean accuracy in % over the logarithm of images per class; None where a size lacks."""
        if len(sizes) < 2 or not set(sizes) <= set(self.sizes):
            return None
        scored = [self.scored(size) for size in sizes]
        seeds = sorted(set.intersection(*(set(each) for each in scored)))
        groups = [_areas(sizes, [each[seed].values for each in scored]) for seed in seeds]
        return interval(groups) if groups else None

    def largest_gap(self, direct: "Line") -> tuple[int, Difference] | None:
        """Return the size at which it is furthest behind `direct`, and by how much; None for itself."""
        shared = sorted(set(self.sizes) & set(direct.sizes))
        if direct.name == self.name or not shared:
            return None
        gaps = {size: difference(direct.scored(size), self.scored(size)) for size in shared}
        return max(gaps.items(), key=lambda gap: gap[1].mean)


def measured(stores: Sequence[Path]) -> pd.DataFrame:
    """Return a row for each network that was retrained on a finished set or on a part of one.

    ipc: images per class of what it was trained on; of: of the set; seconds: device-seconds of
    distilling that. Raises ValueError where nothing was evaluated at two sizes.
    """
    records = files.finished(stores)
    trials = {record.cell.id: record for record in records if is_of(record, Trial)}
    names = snapshots.names(list(trials.values()))
    rows = [row for record in records for row in _networks(record, trials, names)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    if not (table.groupby(PLACE)["ipc"].nunique() > 1).any():
        raise ValueError(
            f"nothing in {', '.join(map(str, stores))} was retrained at two sizes; run budget-curve first"
        )
    order = [*PLACE, "name", "how", "ipc", "index", "seed"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def lines(networks: pd.DataFrame) -> list[Line]:
    """Return the curves of one place: sets of every size first, then prefixes, subsets, real images."""
    found = [line for _, rows in networks.groupby("name", sort=False) for line in _lines(rows)]
    order = [_WHOLE, *_WORDS]
    return sorted(found, key=lambda line: (line.real, order.index(line.how)))


def reference(found: Sequence[Line]) -> Line | None:
    """Return the curve of sets distilled at every size that others are compared with.

    That of the row whose subsets are drawn; else the one of most sizes, of equals the best at its largest.
    """
    direct = [line for line in found if line.direct and not line.real]
    drawn = {line.rows["name"].iloc[0] for line in found if line.how == "random"}

    def rank(line: Line) -> tuple[bool, int, float]:
        last = line.accuracy(line.sizes[-1]).mean
        return line.rows["name"].iloc[0] in drawn, len(line.sizes), last

    return max(direct, key=rank, default=None)


def _networks(
    record: Record, trials: dict[str, Record[Trial]], names: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    cell = record.cell
    if not isinstance(cell, Evaluation) or cell.evaluator != EVALUATOR or cell.step is not None:
        return
    if (trial := trials.get(cell.trial)) is None:
        return
    how, index = (cell.part.how, cell.part.index) if cell.part else (_WHOLE, 0)
    place = (record.task, cell.settings.get("network", ""), cell.settings.get("recipe", ""))
    made = (names[cell.trial], trial.cell.method, how, record.ipc, trial.ipc, index, trial.cell.seed)
    for accuracy in record.scores["accuracy"]:
        yield (*place, *made, cell.seed, 100 * accuracy, trial.device_seconds)


def _lines(rows: pd.DataFrame) -> Iterator[Line]:
    """Yield the curves of one row of the grid."""
    name = str(rows["name"].iloc[0])
    whole = rows[rows["how"] == _WHOLE]
    kinds = [how for how in _WORDS if (rows["how"] == how).any()]
    if whole["ipc"].nunique() > 1 or "prefix" not in kinds:
        real = rows["method"].iloc[0] == RANDOM
        yield Line("random real images" if real else name, _WHOLE, whole)
    for how in kinds:
        own = rows[rows["how"] == how]
        largest = own["of"].max()
        parts = [own] if how == "without" else [own, whole[whole["ipc"] == largest]]
        yield Line(f"{name}, {_WORDS[how].format(largest)}", how, pd.concat(parts))


def _areas(sizes: Sequence[int], accuracies: Sequence[Sequence[float]]) -> list[float]:
    """Return the area of each network or draw over all sizes; of their means where numbers differ."""
    if len({len(values) for values in accuracies}) > 1:
        accuracies = [[float(np.mean(values))] for values in accuracies]
    places = [log(size) for size in sizes]
    found = np.trapezoid(np.array(accuracies), places, axis=0) / (places[-1] - places[0])
    return [float(value) for value in found]
