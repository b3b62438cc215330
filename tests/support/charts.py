"""Tables for charts, and charts as their readers see them: positions and texts of the SVG."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from xml.etree import ElementTree

from suite.board.rows import BoardRow, Costs
from suite.board.statistics.differences import Copies
from suite.board.statistics.intervals import Interval, interval
from suite.board.tables import Table
from suite.records.cells import STANDARD_RECIPE
from suite.site.charts.drawing.marks import Chart
from suite.site.rendering import environment

CPU = "CPU: AMD EPYC"


def row(
    name: str,
    *accuracies: Sequence[float],
    rank: int | None = 1,
    seconds: float = 100.0,
    stored: int = 31_360,
    device: str = CPU,
    **changes: object,
) -> BoardRow:
    """Return a row with the accuracies of each seed's copies."""
    copies = {seed: Copies(seed, tuple(values)) for seed, values in enumerate(accuracies)}
    fields: dict[str, object] = {
        "label": name,
        "line": name,
        "method": name,
        "rank": rank,
        "scores": {STANDARD_RECIPE: interval(accuracies)} if accuracies else {},
        "copies": {STANDARD_RECIPE: copies},
        "costs": Costs(device_seconds=seconds, stored_bytes=stored, device_class=device),
    }
    return BoardRow(name=name, **{**fields, **changes})  # type: ignore[arg-type]


def table(*rows: BoardRow, ipc: int = 10, task: str = "digits", full: Interval | None = None) -> Table:
    scores = {STANDARD_RECIPE: full} if full else {}
    reference = BoardRow("full data (60 epochs)", "full data", "full data", scores=scores)
    return Table(task, ipc, "convnet-d3-w128-in", "", rows, reference if full else None)


def html(chart: Chart) -> str:
    """Return a chart as pages have it."""
    drawn = '{% from "figures/chart.html" import figure with context %}{{ figure(chart) }}'
    return environment().from_string(drawn).render(chart=chart)


def drawing(chart: Chart) -> ElementTree.Element:
    """Return the SVG of a chart, which must be well-formed."""
    found = re.search(r"<svg width.*</svg>(?=</div>)", html(chart), re.S)
    assert found
    return ElementTree.fromstring(found[0])


@dataclass(frozen=True)
class Shown:
    """A dot or a text. x: percent of the width; y: pixels."""

    x: float
    y: float
    text: str
    look: frozenset[str]


def dots(chart: Chart) -> list[Shown]:
    return [
        Shown(_number(each.get("cx")), _number(each.get("cy")), each.findtext("title") or "", _look(each))
        for each in drawing(chart).iter("circle")
    ]


def texts(chart: Chart, look: str) -> list[Shown]:
    found = (
        Shown(_number(each.get("x")), _number(each.get("y")), (each.text or "").strip(), _look(each))
        for each in drawing(chart).iter("text")
    )
    return [each for each in found if look in each.look]


def segments(chart: Chart, look: str) -> list[tuple[float, float, float, float]]:
    """Return x1, y1, x2, y2 of lines."""
    return [
        (_number(each.get("x1")), _number(each.get("y1")), _number(each.get("x2")), _number(each.get("y2")))
        for each in drawing(chart).iter("line")
        if look in _look(each)
    ]


def words_of(text: str) -> str:
    """Return the text that a browser shows of HTML, without tags."""
    return " ".join(_Words.of(text))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found += data.split()

    @classmethod
    def of(cls, text: str) -> Iterator[str]:
        parser = cls()
        parser.feed(text)
        yield from parser.found


def _number(text: str | None) -> float:
    assert text is not None
    return float(text.removesuffix("%"))


def _look(element: ElementTree.Element) -> frozenset[str]:
    return frozenset((element.get("class") or "").split())
