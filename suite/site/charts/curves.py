"""Curves of studies: accuracy during distillation, and accuracy of sets and of their parts.

The values are those of `ratbench figure curve` and `ratbench figure budget-curve`.
"""

from collections.abc import Callable, Iterator

import pandas as pd

from suite.board.render import words
from suite.board.statistics.intervals import Interval, interval
from suite.figures import budget_curve
from suite.site.charts.drawing import lines, scale
from suite.site.charts.drawing.lines import Frame, Points
from suite.site.charts.drawing.marks import Chart

_MEANS = "Points: means; bars: 95% intervals over sets and networks."


def anytime(copies: pd.DataFrame) -> Iterator[Chart]:
    """Yield accuracy against seconds of distillation, and against outer steps, for each place and recipe.

    copies: of `suite.figures.snapshots.measured`.
    """
    for place, rows in copies.groupby(["task", "ipc", "network", "recipe"], sort=True):
        yield _anytime(rows, place, "seconds", "distillation time", words.duration)
        yield _anytime(rows, place, "step", "outer steps", lambda step: f"{step:,.0f}")


def budgets(networks: pd.DataFrame) -> Iterator[Chart]:
    """Yield accuracy against images per class of sets, their prefixes and subsets; one chart a place.

    networks: of `suite.figures.budget_curve.measured`. Without parts of sets, a place has no chart.
    """
    for place, rows in networks.groupby(budget_curve.PLACE, sort=True):
        curves = budget_curve.lines(rows)
        parts = [line.name for line in curves if not line.direct]
        if not parts:
            continue
        found = [
            Points(line.name, {float(size): _fraction(line.accuracy(size)) for size in line.sizes})
            for line in curves
        ]
        sizes = sorted({int(size) for line in found for size in line.values})
        task, network, recipe = map(str, place)
        frame = Frame(
            kind="budget",
            title=f"Sets, their prefixes and random subsets on {task}",
            caption=f"Network {words.network(network)}, recipe {recipe}. {_MEANS} Each drawn "
            "subset counts as one network.",
            axis="images per class",
            x="images per class",
            text=lambda size: f"{size:g}",
        )
        yield lines.chart(frame, lines.best(found, always=parts), scale.sizes(sizes))


def _anytime(
    rows: pd.DataFrame, place: tuple[object, ...], column: str, axis: str, text: Callable[[float], str]
) -> Chart:
    found = [
        Points(str(name), dict(_means(group, column))) for name, group in rows.groupby("method", sort=True)
    ]
    places = [x for line in found for x in line.values]
    task, ipc, network, recipe = place
    frame = Frame(
        kind="anytime",
        title=f"Accuracy during distillation on {task} at {words.size(int(str(ipc)))}: {axis.split(',')[0]}",
        caption=f"Network {words.network(str(network))}, recipe {recipe}. {_MEANS}",
        axis=axis,
        x=column,
        text=text,
    )
    return lines.chart(
        frame, lines.best(found), scale.elapsed(places) if column == "seconds" else scale.steps(places)
    )


def _means(rows: pd.DataFrame, column: str) -> Iterator[tuple[float, Interval]]:
    """Yield the mean place of each snapshot on the x-axis, and its accuracy."""
    for _, group in rows.groupby("moment", sort=True):
        seeds = [tuple(map(float, each)) for _, each in group.groupby("seed")["accuracy"]]
        yield float(group[column].mean()), interval(seeds)


def _fraction(value: Interval) -> Interval:
    """Return an interval in percent as fractions."""
    return Interval(value.mean / 100, value.low / 100, value.high / 100, value.seeds, value.copies)
