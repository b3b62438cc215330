"""Plots of accuracy against images per class, one file per task and network; equal rows give equal bytes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from PIL import Image

from suite.board.render import style, words
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table
from suite.records.cells import RANDOM, STANDARD_RECIPE, canonical_json

_SHIFT = 0.025  # between lines, in natural logarithms of ipc, so that their bars do not overlap

_Points = dict[int, Interval]  # accuracy by images per class


def groups(board: Board) -> dict[str, list[Table]]:
    """Return the tables of each non-empty plot, by its file name without suffix."""
    found: dict[str, list[Table]] = {}
    for table in board.tables:
        found.setdefault(words.slug(table), []).append(table)
    return {slug: tables for slug, tables in found.items() if any(map(words.drawable, tables))}


def fingerprint(tables: Sequence[Table]) -> str:
    """Return the sha256 of a plot's values; `plot` writes it into the file."""
    return hashlib.sha256(canonical_json(_content(tables)).encode()).hexdigest()


def is_current(path: Path, tables: Sequence[Table]) -> bool:
    """Return whether the file at `path` shows `tables`, by its fingerprint, since pixels vary by machine."""
    if not path.is_file():
        return False
    try:
        with Image.open(path) as image:
            return image.info.get("Comment") == fingerprint(tables)
    except OSError:
        return False


def plot(tables: Sequence[Table]) -> bytes:
    """Plot the complete rows of `tables` of one task and network as a PNG."""
    return style.png(
        lambda figure: _fill(figure.add_subplot(), tables), width=8, height=4.5, comment=fingerprint(tables)
    )


def _content(tables: Sequence[Table]) -> object:
    rounded = {
        name: {
            str(ipc): [round(end, words.DIGITS) for end in (value.mean, value.low, value.high)]
            for ipc, value in points.items()
        }
        for name, points in _lines(tables).items()
    }
    reference = tables[0].reference
    ceiling = [reference.name, reference.accuracy.mean] if reference and reference.accuracy else []
    return [words.heading(tables[0]), rounded, ceiling]


def _lines(tables: Sequence[Table]) -> dict[str, _Points]:
    """Return the points of each line, the baseline first; incomplete rows are left out."""
    lines: dict[str, _Points] = {}
    for table in tables:
        for row in table.rows:
            if row.rank is not None and row.accuracy:
                lines.setdefault(row.line, {})[table.ipc] = row.accuracy
    return dict(sorted(lines.items(), key=lambda line: (not _baseline(line[0]), line[0])))


def _baseline(name: str) -> bool:
    return name.split(" (")[0] == RANDOM


def _fill(axes: Axes, tables: Sequence[Table]) -> None:
    lines = _lines(tables)
    looks = iter(range(len(lines)))
    for place, (name, points) in enumerate(lines.items()):
        look = style.BASELINE if _baseline(name) else style.look(next(looks))
        _errorbars(axes, name, points, look=look, shift=place - (len(lines) - 1) / 2)
    reference = tables[0].reference
    if reference and reference.accuracy:
        axes.axhline(100 * reference.accuracy.mean, color="0.3", linestyle="--", label=reference.name)
    sizes = sorted({ipc for points in lines.values() for ipc in points})
    style.ticks(axes, sizes)
    axes.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
    axes.set_xlabel("images per class")
    axes.set_ylabel(f"test accuracy, % ({STANDARD_RECIPE} recipe, 95% interval)")
    axes.set_title(words.heading(tables[0]), loc="left", fontsize=11)
    style.legend(axes)


def _errorbars(axes: Axes, name: str, points: _Points, *, look: tuple[str, str], shift: float) -> None:
    places = [ipc * (1 + _SHIFT * shift) for ipc in sorted(points)]
    values = [points[ipc] for ipc in sorted(points)]
    below = [100 * max(0.0, value.mean - value.low) for value in values]
    above = [100 * max(0.0, value.high - value.mean) for value in values]
    colour, marker = look
    axes.errorbar(
        places,
        [100 * value.mean for value in values],
        yerr=[below, above],
        label=name,
        color=colour,
        marker=marker,
        markersize=8 if look == style.BASELINE else 6,
        linestyle=":" if look == style.BASELINE else "-",
        linewidth=1.5,
        capsize=3,
    )
