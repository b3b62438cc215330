"""Ranked dot plots, one for each table; equal rows give equal bytes."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from suite.board.render import style, words
from suite.board.rows import BoardRow
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.records.cells import RANDOM, STANDARD_RECIPE, canonical_json

MOST = 40
"""Rows of a plot: one of two thousand would be higher than a picture may be."""

_Point = tuple[BoardRow, Interval]

_LOOK = 2  # increase it if the same values are drawn in another way
_FAR = 2.5  # interquartile ranges below the first quartile: rows further away are not drawn to scale


def fingerprint(table: Table) -> str:
    """Return the sha256 of a plot's values; `plot` writes it into the file."""
    values = [(row.name, row.rank, _rounded(accuracy)) for row, accuracy in table.ranked[:MOST]]
    content = [_LOOK, words.heading(table), table.ipc, values, _ceiling(table)]
    content += [len(table.ranked)] * (len(table.ranked) > MOST)
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def is_current(path: Path, table: Table) -> bool:
    """Return whether the file at `path` shows `table`, by its fingerprint, since pixels vary by machine."""
    if not path.is_file():
        return False
    try:
        with Image.open(path) as image:
            image.verify()
            return image.info.get("Comment") == fingerprint(table)
    except (OSError, SyntaxError):  # Pillow's error for a damaged PNG
        return False


def plot(table: Table) -> bytes:
    """Plot the accuracies of the best ranked rows of `table`, at most `MOST`, as a PNG."""
    points = table.ranked[:MOST]
    return style.png(
        lambda figure: _fill(figure.add_subplot(), points),
        width=8,
        height=0.7 + 0.24 * len(points),
        title=f"{table.task}, {words.size(table.ipc)}: test accuracy by method",
        subtitle="; ".join(_facts(table, points)),
        comment=fingerprint(table),
    )


def _facts(table: Table, points: Sequence[_Point]) -> Iterator[str]:
    sizes = {words.count(row) for row, _ in points}
    yield ", ".join(filter(None, [words.network(table.network), table.conditions]))
    yield f"recipe {STANDARD_RECIPE}"
    yield f"n = {sizes.pop()} (sets × networks)" if len(sizes) == 1 else "n as in the table"
    if (count := len(table.ranked)) > len(points):
        yield f"the first {len(points)} of {count} rows"
    yield "dots: means; bars: 95% intervals; rows in one band share the rank beside their name"
    if ceiling := _ceiling(table):
        yield "{}: {:.1f} %".format(*ceiling)


def _rounded(value: Interval) -> list[float]:
    return [round(end, words.DIGITS) for end in (value.mean, value.low, value.high)]


def _ceiling(table: Table) -> tuple[str, float] | None:
    found = table.reference
    return (found.name, round(100 * found.accuracy.mean, 4)) if found and found.accuracy else None


def _fill(axes: Axes, points: Sequence[_Point]) -> None:
    low, high = _limits([accuracy for _, accuracy in points])
    for place, (row, accuracy) in enumerate(points):
        _dot(axes, place, row, accuracy, low)
    bands = [list(band) for _, band in groupby(range(len(points)), key=lambda place: points[place][0].rank)]
    for band in bands[::2]:
        axes.axhspan(band[0] - 0.5, band[-1] + 0.5, color="0.94", linewidth=0, zorder=0)
    axes.set_xlim(low, high + 0.12 * (high - low))
    axes.set_ylim(len(points) - 0.5, -0.5)
    names = [f"{style.plain(row.name, 48)}  {words.rank(row):>2}" for row, _ in points]
    axes.set_yticks(range(len(points)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("test accuracy, %")


def _limits(accuracies: Sequence[Interval]) -> tuple[float, float]:
    """Return the ends of the axis in %: rows that are far behind would press the others together."""
    quarter, three = np.percentile([each.mean for each in accuracies], [25, 75])
    near = [each for each in accuracies if each.mean >= quarter - _FAR * (three - quarter)]
    low, high = 100 * min(each.low for each in near), 100 * max(each.high for each in near)
    space = max(0.05 * (high - low), 0.5)
    return low - space, high + space


def _dot(axes: Axes, place: int, row: BoardRow, accuracy: Interval, start: float) -> None:
    mean, low, high = (100 * end for end in (accuracy.mean, accuracy.low, accuracy.high))
    far, colour = mean < start, style.BASELINE[0] if row.method == RANDOM else style.COLOURS[0]
    if not far:
        axes.hlines(place, low, high, color=colour, linewidth=1.5)
        axes.plot(mean, place, "o", color=colour, markersize=5)
    text, at = (f"◂ {mean:.1f}, left of the axis", start) if far else (f"{mean:.1f}", high)
    axes.annotate(text, (at, place), (5, 0), textcoords="offset points", va="center", size=8, color=colour)
