"""What a chart is made of: marks with positions, which `figures/chart.html` draws as SVG.

Horizontal places are percentages of the plot's width, vertical ones are pixels. So a chart fits any screen,
and its letters keep their size. Looks are CSS classes, since a page may have no inline style.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

from suite.site.charts.drawing.scale import Scale

LETTER = 6.7
"""About the width of a letter of a chart's text, in pixels."""

_BOLD = 1.14  # width of a bold letter over that of another

_TICKS = 3  # numbers on an x-axis that have room on a phone

_GUTTER = 10
"""Gutters are multiples of this many pixels, so that few classes hold them."""


@dataclass(frozen=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    look: str

    kind = "line"


@dataclass(frozen=True)
class Dot:
    """A point. told: its tooltip."""

    x: float
    y: float
    look: str
    told: str = ""
    radius: float = 4.5

    kind = "dot"


@dataclass(frozen=True)
class Text:
    """One line of text, `dx` pixels right of `x`; anchor: start, middle or end. told: its tooltip."""

    x: float
    y: float
    text: str
    look: str = ""
    anchor: str = "start"
    dx: float = 0.0
    told: str = ""

    kind = "text"


@dataclass(frozen=True)
class Box:
    """A rectangle over the whole width of the chart, gutters too."""

    y: float
    height: float
    look: str

    kind = "box"


@dataclass(frozen=True)
class Stroke:
    """A line between two places that are told in pixels right of and below (x, y)."""

    x: float
    y: float
    start: tuple[float, float]
    end: tuple[float, float]
    look: str

    kind = "stroke"


@dataclass(frozen=True)
class Series:
    """A line that a reader can choose. slot: number of its colour, 0 while it is not chosen."""

    number: int
    name: str
    slot: int
    marks: tuple["Mark", ...]
    label: Text
    leader: Line

    kind = "series"


Mark = Line | Dot | Text | Box | Stroke | Series


@dataclass(frozen=True)
class Chart:
    """A figure. title: what it shows; caption: task, network, recipe, and what its bars are.

    height, left, right: pixels, of the whole and of its gutters. headings, lines: its values as a table.
    choice: series by their number of colours, "" if there is nothing to choose.
    """

    title: str
    caption: str
    height: float
    left: int
    right: int
    marks: tuple[Mark, ...]
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    kind: str
    choice: tuple[Series, ...] = field(default=())

    @property
    def id(self) -> str:
        """A name for the page's addresses, which depends on its content."""
        text = f"{self.kind} {self.title} {self.caption}"
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def width(text: str, *, bold: bool = False) -> float:
    """Return about how wide a text is, in pixels."""
    letters = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return LETTER * letters * (_BOLD if bold else 1)


def cut(text: str, pixels: float, *, bold: bool = False) -> str:
    """Return a text that fits into `pixels`: shortened in its middle, as both ends tell names apart."""
    text = re.sub(r"\s+", " ", "".join(each if each.isprintable() else " " for each in text)).strip()
    if width(text, bold=bold) <= pixels:
        return text
    head, tail = text[: (len(text) + 1) // 2], text[(len(text) + 1) // 2 :]
    while width(f"{head}…{tail}", bold=bold) > pixels and (head or tail):
        head, tail = (head[:-1], tail) if len(head) > len(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def gutter(texts: Sequence[str], *, most: float, bold: bool = False) -> int:
    """Return the pixels of a gutter for `texts` and a little space."""
    wanted = max((width(text, bold=bold) for text in texts), default=0) + 14
    return ceil(min(wanted, most) / _GUTTER) * _GUTTER


def horizontal(scale: Scale, top: float, bottom: float, title: str) -> list[Mark]:
    """Return the x-axis below a plot: grid lines, numbers and its title."""
    marks: list[Mark] = []
    count = len(scale.ticks)
    for number, tick in enumerate(scale.ticks, 1):
        spare = count > _TICKS and (count - number) % 2
        at, look = 100 * scale.share(tick.value), "tick wide" if spare else "tick"
        marks.append(Line(at, top, at, bottom, "grid"))
        marks.append(Text(at, bottom + 16, tick.text, look, "middle"))
    return [*marks, Text(50, bottom + 34, title, "axis", "middle")]


def vertical(scale: Scale, top: float, bottom: float) -> list[Mark]:
    """Return the y-axis of accuracies, left of a plot: grid lines, numbers, and its title above."""
    place = upwards(scale, top, bottom)
    marks: list[Mark] = []
    for tick in scale.ticks:
        marks.append(Line(0, place(tick.value), 100, place(tick.value), "grid"))
        marks.append(Text(0, place(tick.value) + 4, tick.text, "tick", "end", -8))
    return [*marks, Text(0, top - 12, "test accuracy, %", "axis", "start", -34)]


def upwards(scale: Scale, top: float, bottom: float) -> Callable[[float], float]:
    """Return the function from a value to its pixel on a y-axis."""
    return lambda value: round(bottom - (bottom - top) * scale.share(value), 2)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places near the `wanted` ones, in their order, `gap` apart, between `low` and `high`.

    Crowded places give way to both sides equally. `charts.js` does the same.
    """
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    near = [wanted[at] for at in order]
    first, second = _up(_down(near, gap, low), gap, high), _down(_up(near, gap, high), gap, low)
    found = dict(zip(order, zip(first, second, strict=True), strict=True))
    return [round(sum(found[at]) / 2, 2) for at in range(len(wanted))]


def _down(places: Sequence[float], gap: float, low: float) -> list[float]:
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap if found else low))
    return found


def _up(places: Sequence[float], gap: float, high: float) -> list[float]:
    return [-place for place in _down([-place for place in reversed(places)], gap, -high)][::-1]
