"""Line charts with few lines at a time: a reader chooses which ones have a colour, a name and intervals.

All other lines stay as a grey background. Names stand at the ends of their lines.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from suite.board.render import words
from suite.board.statistics.intervals import Interval
from suite.site.charts.drawing import marks
from suite.site.charts.drawing.marks import Chart, Dot, Line, Mark, Series, Text
from suite.site.charts.drawing.scale import Scale, percents

SLOTS = 5
"""Lines that can be chosen at a time: as many as there are colours."""

_TOP, _BOTTOM = 34.0, 300.0
_HEIGHT = 346.0
_GAP = 15.0  # pixels between names
_LEFT = 40


@dataclass(frozen=True)
class Points:
    """One line: accuracies in [0, 1] by their places on the x-axis. shown: chosen at the start."""

    name: str
    values: dict[float, Interval]
    shown: bool = False


@dataclass(frozen=True)
class Frame:
    """What is around the lines; see `Chart`. x: heading of the places in the table, told by `text`.

    ceiling: accuracy of full data.
    """

    kind: str
    title: str
    caption: str
    axis: str
    x: str
    text: Callable[[float], str]
    ceiling: float | None = None


def chart(frame: Frame, found: Sequence[Points], scale: Scale) -> Chart:
    """Return the chart of `found`, best first; of those that are shown, the first `SLOTS`."""
    ceiling = [] if frame.ceiling is None else [frame.ceiling]
    values = [value for line in found for value in line.values.values()]
    accuracies = percents([*ceiling, *(end for value in values for end in (value.low, value.high))], most=5)
    up = marks.upwards(accuracies, _TOP, _BOTTOM)
    slots = {at: slot for slot, at in enumerate([at for at, line in enumerate(found) if line.shown], 1)}
    slots = {at: slot for at, slot in slots.items() if slot <= SLOTS}
    right = marks.gutter([line.name for line in found], most=180, bold=True)
    texts = [marks.cut(line.name, right - 14, bold=True) for line in found]
    tips = [up(line.values[max(line.values)].mean) for line in found]
    places = marks.spread([tips[at] for at in slots], _GAP, _TOP, _BOTTOM)
    named = dict(zip(slots, places, strict=True))
    series = [
        Series(
            number=at,
            name=line.name,
            slot=slots.get(at, 0),
            marks=tuple(_line(line, scale, up)),
            leader=Line(
                100 * scale.share(max(line.values)), tips[at], 100, named.get(at, tips[at]), "leader"
            ),
            label=Text(100, named.get(at, tips[at]), texts[at], "label", told=line.name),
        )
        for at, line in enumerate(found)
    ]
    background: list[Mark] = [
        *marks.vertical(accuracies, _TOP, _BOTTOM),
        *marks.horizontal(scale, _TOP, _BOTTOM, frame.axis),
    ]
    if frame.ceiling is not None:
        background.append(Line(0, up(frame.ceiling), 100, up(frame.ceiling), "full"))
        background.append(Text(100, up(frame.ceiling) - 5, "full data", "tick full", "end", -4))
    return Chart(
        kind=frame.kind,
        title=frame.title,
        caption=frame.caption,
        height=_HEIGHT,
        left=_LEFT,
        right=right,
        marks=(*background, *sorted(series, key=lambda each: each.slot > 0)),  # chosen ones above the others
        headings=("line", frame.x, "accuracy, %", "seeds × networks"),
        lines=tuple(
            (line.name, frame.text(x), words.percent(value), words.sample_size(value))
            for line in found
            for x, value in sorted(line.values.items())
        ),
        choice=tuple(series) if len(series) > 1 else (),
    )


def best(
    found: Sequence[Points], *, always: Collection[str] = (), far: bool = False, most: int | None = None
) -> list[Points]:
    """Return the lines, best at their last place first; those named `always` and the best ones are shown.

    far: whether lines that end further right come before others; most: lines that are returned, None for all.
    """

    def order(line: Points) -> tuple[float, float, str]:
        last = max(line.values)
        return -last if far else 0.0, -line.values[last].mean, line.name

    found = sorted(found, key=order)
    wanted = [*(line.name for line in found if line.name in always), *(line.name for line in found)]
    ordered = list(dict.fromkeys(wanted))
    shown, kept = ordered[:SLOTS], set(ordered[:most])
    return [Points(line.name, line.values, line.name in shown) for line in found if line.name in kept]


def _line(line: Points, scale: Scale, up: Callable[[float], float]) -> Iterator[Mark]:
    """Yield the segments of a line, then its intervals and points."""
    places = [(100 * scale.share(x), line.values[x]) for x in sorted(line.values)]
    for (x1, first), (x2, second) in itertools.pairwise(places):
        yield Line(x1, up(first.mean), x2, up(second.mean), "curve")
    for x, value in places:
        if value.measured:
            yield Line(x, up(value.low), x, up(value.high), "interval")
    for x, value in places:
        told = f"{line.name}: {words.percent(value)} %"
        yield Dot(x, up(value.mean), "" if value.measured else "single", told, 4)
