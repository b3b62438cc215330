"""Accuracy against bits per class, from the tables of the evaluator `quantised`."""

from collections.abc import Iterable, Iterator

from suite.board.breakdown import Breakdown, BreakdownRow
from suite.board.render import words
from suite.board.statistics.intervals import Interval
from suite.site.charts.drawing import lines, scale
from suite.site.charts.drawing.lines import Frame, Points
from suite.site.charts.drawing.marks import Chart

_CAPTION = """Network {network}. Each set as it is stored and with fewer bits per value. Points: means; \
bars: 95% intervals over sets and networks."""


def charts(tables: Iterable[Breakdown]) -> Iterator[Chart]:
    """Yield a chart for each table in which a row has accuracies at two numbers of bits or more."""
    for table in tables:
        found = [Points(row.name, _curve(row)) for row in table.rows]
        found = [line for line in found if line.values]
        if any(len(line.values) > 1 for line in found):
            yield _chart(table, found)


def _chart(table: Breakdown, found: list[Points]) -> Chart:
    key = table.key
    how = filter(None, (words.network(key.network), key.conditions))
    frame = Frame(
        kind="bits",
        title=f"Test accuracy on {key.task} at {words.size(key.ipc)} against bits per class",
        caption=_CAPTION.format(network=", ".join(how)),
        axis="bits per class",
        x="bits per class",
        text=words.bits,
    )
    return lines.chart(frame, lines.best(found), scale.bits(x for line in found for x in line.values))


def _curve(row: BreakdownRow) -> dict[float, Interval]:
    """Return the accuracies of a row by their bits per class."""
    found = {}
    for name, accuracy in row.scores.items():
        kind, _, bits = name.partition("/")
        if kind == "accuracy" and (size := row.scores.get(f"bits_per_class/{bits}")):
            found[size.mean] = accuracy
    return found
