"""Plots: accuracy against images per class, a file per task and network; equal rows give equal bytes."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from suite.board.render import words as words
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table
from suite.records.cells import STANDARD_RECIPE, canonical_json

BASELINE = "random_subset"
"""The method drawn in grey: what costs nothing."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
_MARKERS = "osD^vP*Xph"  # more than colours, so that a pair comes back late
_DODGE = (
    0.025  # shift between lines, in natural logarithms of ipc, so that their bars don't lie on each other
)

_Points = dict[int, Interval]  # accuracy by images per class


def groups(board: Board) -> dict[str, list[Table]]:
    """Return the tables of each plot by its file name without ending; those with something to draw."""
    found: dict[str, list[Table]] = {}
    for table in board.tables:
        found.setdefault(words.slug(table), []).append(table)
    return {slug: tables for slug, tables in found.items() if any(map(words.drawable, tables))}


def fingerprint(tables: Sequence[Table]) -> str:
    """Return the sha256 of what a plot shows; `draw` writes it into the file."""
    return hashlib.sha256(canonical_json(_content(tables)).encode()).hexdigest()


def is_current(path: Path, tables: Sequence[Table]) -> bool:
    """Return whether the file at `path` shows `tables`: by what it says, whatever machine drew it."""
    if not path.is_file():
        return False
    try:
        with Image.open(path) as image:
            return image.info.get("Comment") == fingerprint(tables)
    except OSError:
        return False


def plot(tables: Sequence[Table]) -> bytes:
    """Draw the complete rows of `tables`, which are of one task and network, as a PNG."""
    with matplotlib.style.context(["default", {"font.size": 10, "axes.grid": True, "grid.color": "0.9"}]):
        figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        _fill(figure.add_subplot(), tables)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None, "Comment": fingerprint(tables)})
    return file.getvalue()


def _content(tables: Sequence[Table]) -> object:
    lines = {
        name: {str(ipc): [value.mean, value.low, value.high] for ipc, value in points.items()}
        for name, points in _lines(tables).items()
    }
    reference = tables[0].reference
    ceiling = [reference.name, reference.accuracy.mean] if reference and reference.accuracy else []
    rounded = {name: {k: [round(x, 6) for x in v] for k, v in line.items()} for name, line in lines.items()}
    return [words.heading(tables[0]), rounded, ceiling]


def _lines(tables: Sequence[Table]) -> dict[str, _Points]:
    """Return the points of each line, the baseline's first. Incomplete rows are not drawn."""
    lines: dict[str, _Points] = {}
    for table in tables:
        for row in table.rows:
            if row.rank is not None and row.accuracy:
                lines.setdefault(row.line, {})[table.ipc] = row.accuracy
    return dict(sorted(lines.items(), key=lambda line: (not _baseline(line[0]), line[0])))


def _baseline(name: str) -> bool:
    return name.split(" (")[0] == BASELINE


def _fill(axes: Axes, tables: Sequence[Table]) -> None:
    lines = _lines(tables)
    styles = iter(range(len(lines)))
    for place, (name, points) in enumerate(lines.items()):
        style = -1 if _baseline(name) else next(styles)
        _errorbars(axes, name, points, style=style, shift=place - (len(lines) - 1) / 2)
    reference = tables[0].reference
    if reference and reference.accuracy:
        axes.axhline(100 * reference.accuracy.mean, color="0.3", linestyle="--", label=reference.name)
    sizes = sorted({ipc for points in lines.values() for ipc in points})
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(ipc) for ipc in sizes])
    axes.minorticks_off()
    axes.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
    axes.set_xlabel("images per class")
    axes.set_ylabel(f"test accuracy, % ({STANDARD_RECIPE} recipe, 95% interval)")
    axes.set_title(words.heading(tables[0]), loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)


def _errorbars(axes: Axes, name: str, points: _Points, *, style: int, shift: float) -> None:
    """Draw one line; style -1 is the baseline's."""
    places = [ipc * (1 + _DODGE * shift) for ipc in sorted(points)]
    values = [points[ipc] for ipc in sorted(points)]
    below = [100 * max(0.0, value.mean - value.low) for value in values]
    above = [100 * max(0.0, value.high - value.mean) for value in values]
    axes.errorbar(
        places,
        [100 * value.mean for value in values],
        yerr=[below, above],
        label=name,
        color="0.55" if style < 0 else _COLOURS[style % len(_COLOURS)],
        marker="." if style < 0 else _MARKERS[style % len(_MARKERS)],
        markersize=8 if style < 0 else 6,
        linestyle=":" if style < 0 else "-",
        linewidth=1.5,
        capsize=3,
    )
