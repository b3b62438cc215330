"""Accuracy against images per class: sets distilled at each size, prefixes, subsets, and real images.

The paper reports that a set's images depend on each other: random subsets are worse than sets distilled at
that size. If a grid evaluates sets without one of their images, these have a curve, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.board import files
from suite.board.render import style
from suite.board.render.words import spanned
from suite.board.statistics.differences import Copies, Difference, PerSeed, difference
from suite.board.statistics.intervals import Interval, interval
from suite.figures import snapshots
from suite.records.cells import RANDOM, RELABELLED, Evaluation, Trial
from suite.records.record import Record, is_of

PLACE = ["task", "network", "recipe"]
"""The columns that are equal for compared curves."""

NARROWED = ("task", "method")
"""The columns by which rows may be chosen; a curve needs all sizes."""

_WHOLE = "whole"
_DRAWN = ("random", "without")  # a set has many of these; the unit is a part, as a mean over networks
_WORDS = {"prefix": "prefixes of {}", "random": "random subsets of {}", "without": "{} without one image"}
_COLUMNS = [*PLACE, "name", "method", "how", "ipc", "of", "index", "seed", "networks", "accuracy", "seconds"]


@dataclass(frozen=True)
class Line:
    """A curve over images per class. rows: of `measured`; how: the kind of its parts, "" for whole sets."""

    name: str
    how: str
    rows: pd.DataFrame

    @property
    def direct(self) -> bool:
        """Whether each size was distilled separately."""
        return self.how == _WHOLE

    @property
    def real(self) -> bool:
        """Whether its images are random real images, which cost nothing."""
        return self.direct and self.rows["method"].iloc[0] == RANDOM

    @property
    def distilled(self) -> bool:
        """Whether its images are not random real images, with whatever labels."""
        return self.rows["method"].iloc[0] not in (RANDOM, RELABELLED)

    @property
    def sizes(self) -> list[int]:
        """Images per class at which it has an accuracy."""
        return sorted(int(size) for size in self.rows["ipc"].unique())

    @property
    def device_seconds(self) -> float:
        """Device-seconds of its distillations: one per size, or only the largest set."""
        each = self.rows.drop_duplicates(["of", "seed"]).groupby("of")["seconds"].mean()
        return float(each.sum())

    def per_seed(self, ipc: int) -> PerSeed:
        """Return the accuracies in % at a size by distillation seed, one per network or per part."""
        found = {}
        for seed, group in self.rows[self.rows["ipc"] == ipc].groupby("seed"):
            if group["how"].iloc[0] in _DRAWN:
                found[int(str(seed))] = Copies(-1, tuple(group.groupby("index")["accuracy"].mean()))
            else:
                found[int(str(seed))] = Copies(int(group["networks"].iloc[0]), tuple(group["accuracy"]))
        return found

    def accuracy(self, ipc: int) -> Interval:
        """Return the mean accuracy in % at a size and its 95% interval over seeds."""
        return interval([copies.values for copies in self.per_seed(ipc).values()])

    def area(self, sizes: Sequence[int]) -> Interval | None:
        """Return the mean accuracy in % over the logarithm of images per class; None if a size is missing."""
        if len(sizes) < 2 or not set(sizes) <= set(self.sizes):
            return None
        per_seed = [self.per_seed(size) for size in sizes]
        seeds = sorted(set.intersection(*(set(each) for each in per_seed)))
        groups = [_areas(sizes, [each[seed].values for each in per_seed]) for seed in seeds]
        return interval(groups) if groups else None

    def largest_gap(self, direct: "Line") -> tuple[int, Difference] | None:
        """Return the size with the largest gap to `direct`, and the gap; None for `direct` itself."""
        shared = sorted(set(self.sizes) & set(direct.sizes))
        if direct.name == self.name or not shared:
            return None
        gaps = {size: difference(direct.per_seed(size), self.per_seed(size)) for size in shared}
        return max(gaps.items(), key=lambda gap: gap[1].mean)


def measured(stores: Sequence[Path]) -> pd.DataFrame:
    """Return a row for each network that was retrained on a finished set or a part of it.

    ipc: images per class of its training set; of: images per class of the whole set; seconds: device-seconds
    of distilling the whole set. Raises ValueError if nothing was evaluated at two sizes.
    """
    found = of_records(files.finished(stores))
    if not (found.groupby(PLACE)["ipc"].nunique() > 1).any():
        raise ValueError(
            f"nothing in {', '.join(map(str, stores))} was retrained at two sizes; run budget-curve first"
        )
    return found


def of_records(records: Sequence[Record]) -> pd.DataFrame:
    """Return what `measured` does, of valid finished records, whatever their sizes."""
    trials = {(record.cell.id, record.task): record for record in records if is_of(record, Trial)}
    names = snapshots.names(list(trials.values()))
    rows = [row for record in snapshots.retrained(records) for row in _networks(record, trials, names)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    order = [*PLACE, "name", "how", "ipc", "index", "seed"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def summary(networks: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each curve: accuracies in %, area, largest gap to direct distillation, its cost.

    All have 95% intervals. area: the mean accuracy over the logarithm of images per class; largest gap: in
    points, over common sizes; distillation: device-seconds for all budgets.
    """
    sizes = sorted(networks["ipc"].unique())
    rows = []
    for key, group in networks.groupby(PLACE, sort=False):
        found = lines(group)
        direct = reference(found)
        place = dict(zip(PLACE, key, strict=True))
        rows += [{**place, **_told(line, direct, sizes)} for line in found]
    return pd.DataFrame(rows)


def plot(networks: pd.DataFrame) -> bytes:
    """Plot the curves with 95% bands as a PNG, one panel per task, network and recipe; points are draws."""
    places = list(networks.groupby(PLACE, sort=False))

    def fill(figure: Figure) -> None:
        panels = figure.subplots(len(places), 1, squeeze=False)[:, 0]
        for axes, (key, group) in zip(panels, places, strict=True):
            _panel(axes, group)
            if len(places) > 1:
                axes.set_title(style.plain(", ".join(map(str, key))), loc="left", fontsize=10)

    tasks = list(dict.fromkeys(str(task) for (task, *_), _ in places))
    where = [f"{network}, recipe {recipe}" for (_, network, recipe), _ in places]
    return style.png(
        fill,
        width=8,
        height=4.5 * len(places),
        title=f"{', '.join(tasks)}: test accuracy against images per class",
        subtitle=f"{'; '.join(dict.fromkeys(where))}; {_counts(networks)}; points: means; bands and bars: "
        "95% intervals over sets, and networks or draws; small points: single draws",
    )


def lines(networks: pd.DataFrame) -> list[Line]:
    """Return the curves of one panel: direct sets first, then prefixes, subsets, real images."""
    found = [line for _, rows in networks.groupby("name", sort=False) for line in _lines(rows)]
    order = [_WHOLE, *_WORDS]
    return sorted(found, key=lambda line: (line.real, order.index(line.how)))


def reference(found: Sequence[Line]) -> Line | None:
    """Return the direct curve with which others are compared.

    It belongs to the row with random subsets; otherwise it is the curve with most sizes, and among equals the
    best at the largest size.
    """
    direct = [line for line in found if line.direct and line.distilled]
    drawn = {line.rows["name"].iloc[0] for line in found if line.how == "random"}

    def rank(line: Line) -> tuple[bool, int, float]:
        last = line.accuracy(line.sizes[-1]).mean
        return line.rows["name"].iloc[0] in drawn, len(line.sizes), last

    return max(direct, key=rank, default=None)


def _counts(networks: pd.DataFrame) -> str:
    """Return how many sets and networks are behind a point, `n = 2 × 3 (sets × networks)`."""
    points = networks.groupby([*PLACE, "name", "how", "ipc", "of"])
    sets = points["seed"].nunique()
    each = points.size() // points[["seed", "index"]].apply(lambda rows: len(rows.drop_duplicates()))
    told = ("–".join(dict.fromkeys(map(str, (found.min(), found.max())))) for found in (sets, each))
    return f"n = {' × '.join(told)} (sets × networks)"


def _told(line: Line, direct: Line | None, sizes: Sequence[int]) -> dict[str, str]:
    accuracies = {str(size): spanned(line.accuracy(size)) if size in line.sizes else "" for size in sizes}
    area, gap = (line.area(direct.sizes), line.largest_gap(direct)) if direct else (None, None)
    return {
        "curve": line.name,
        **accuracies,
        "area": spanned(area) if area else "",
        "largest gap": f"{spanned(gap[1])} at {gap[0]}" if gap else "",
        "distillation": f"{line.device_seconds:.0f} s",
    }


def _panel(axes: Axes, networks: pd.DataFrame) -> None:
    for place, line in enumerate(lines(networks)):
        _curve(axes, line, *(style.BASELINE if line.real else style.look(place)))
    style.ticks(axes, networks["ipc"].unique())
    axes.set_xlabel("images per class")
    axes.set_ylabel("test accuracy, %")
    style.legend(axes)


def _curve(axes: Axes, line: Line, colour: str, marker: str) -> None:
    values = [line.accuracy(size) for size in line.sizes]
    means = [value.mean for value in values]
    axes.plot(line.sizes, means, color=colour, marker=marker, markersize=5, label=style.plain(line.name))
    low, high = [value.low for value in values], [value.high for value in values]
    axes.fill_between(line.sizes, low, high, color=colour, alpha=0.15, linewidth=0)
    points = list(_draws(line))
    if points:
        sizes, accuracies = zip(*points, strict=True)
        axes.scatter(sizes, accuracies, color=colour, s=6, alpha=0.5, linewidths=0)
    if len(line.sizes) == 1:
        axes.vlines(line.sizes, low, high, color=colour, linewidth=1)


def _draws(line: Line) -> Iterator[tuple[int, float]]:
    """Yield the size and accuracy of each draw of a set of which there are several."""
    if line.how in _DRAWN:
        for size in line.sizes:
            for copies in line.per_seed(size).values():
                yield from ((size, value) for value in copies.values if copies.networks < 0)


def _networks(
    record: Record[Evaluation], trials: dict[snapshots.Key, Record[Trial]], names: dict[snapshots.Key, str]
) -> Iterator[tuple[Any, ...]]:
    cell = record.cell
    if cell.of_snapshot or (trial := trials.get(key := (cell.trial, record.task))) is None:
        return
    how, index = (cell.part.how, cell.part.index) if cell.part else (_WHOLE, 0)
    place = (record.task, cell.settings.get("network", ""), cell.settings.get("recipe", ""))
    made = (names[key], trial.cell.method, how, record.ipc, trial.ipc, index, trial.cell.seed)
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
        group = rows[rows["how"] == how]
        largest = group["of"].max()
        parts = [group] if how == "without" else [group, whole[whole["ipc"] == largest]]
        yield Line(f"{name}, {_WORDS[how].format(largest)}", how, pd.concat(parts))


def _areas(sizes: Sequence[int], accuracies: Sequence[Sequence[float]]) -> list[float]:
    """Return the area of each network or draw over all sizes; of the means if their numbers differ."""
    if len({len(values) for values in accuracies}) > 1:
        accuracies = [[float(np.mean(values))] for values in accuracies]
    places = [log(size) for size in sizes]
    found = np.trapezoid(np.array(accuracies), places, axis=0) / (places[-1] - places[0])
    return [float(value) for value in found]
