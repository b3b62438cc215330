"""Accuracy against images per class: one chart for each task and network."""

from collections.abc import Collection, Sequence

from suite.board.render import words
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.records.cells import RANDOM
from suite.site.charts.drawing import lines, scale
from suite.site.charts.drawing.lines import Frame, Points
from suite.site.charts.drawing.marks import Chart

_FEW = 20  # lines in a chart of one method

_CAPTION = """{measured}. Points: means; bars: 95% intervals over sets and networks. Grey: other rows."""


def chart(tables: Sequence[Table], own: Collection[str] = ()) -> Chart | None:
    """Return the chart of tables that differ in their size alone; None if no line has two sizes.

    own: lines that are shown with random images and the best few, and without which there is no chart.
    """
    found = _lines(tables)
    of_interest = [line for line in found if line.name in own] if own else found
    if all(len(line.values) < 2 for line in of_interest):
        return None
    first = tables[0]
    full = first.reference.accuracy if first.reference else None
    frame = Frame(
        kind="sizes",
        title=f"Test accuracy on {first.task} against images per class",
        caption=_CAPTION.format(measured=words.measured(first)),
        axis="images per class",
        x="images per class",
        text=lambda size: f"{size:g}",
        ceiling=full.mean if full else None,
    )
    axis = scale.sizes([int(size) for line in found for size in line.values])
    return lines.chart(
        frame, lines.best(found, always=[*own, RANDOM], far=True, most=_FEW if own else None), axis
    )


def _lines(tables: Sequence[Table]) -> list[Points]:
    """Return the points of each line; incomplete rows are left out."""
    found: dict[str, dict[float, Interval]] = {}
    for table in tables:
        for row, accuracy in table.ranked:
            found.setdefault(row.line, {})[table.ipc] = accuracy
    return [Points(name, values) for name, values in sorted(found.items())]
