"""Accuracy against cost: which rows no other row beats in both."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from suite.board.render import words
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.site.charts.drawing import labels, marks, scale
from suite.site.charts.drawing.marks import Chart, Dot, Line, Mark, Stroke, Text

_TOP, _BOTTOM = 34.0, 374.0
_HEIGHT = 420.0
_LEFT, _RIGHT = 40, 20
_SCREENS = (380.0, 500.0, 700.0)
_PHONE = (230.0, 290.0)  # widths of the plot for which names are placed

_CAPTION = """{size}. {measured}.{device} Points: means; bars: 95% intervals over sets and networks. \
The line is the front: no other row has both a higher mean and a lower cost. Small \
differences may be chance."""


@dataclass(frozen=True)
class Point:
    """A row in the plane of cost and accuracy."""

    name: str
    cost: float
    value: Interval


@dataclass(frozen=True)
class _Axis:
    """The axis of costs. title: of the chart and of the axis; text: a cost in words."""

    kind: str
    titles: tuple[str, str]
    scale: Callable[[Sequence[float]], scale.Scale]
    text: Callable[[float], str]


_SECONDS = _Axis(
    "seconds", ("distillation time", "device time of one distillation"), scale.durations, words.duration
)
_BYTES = _Axis(
    "bytes",
    ("stored bytes", "stored bytes of a set, labels included"),
    scale.stored,
    lambda count: words.memory(round(count)),
)


def seconds(table: Table) -> list[Chart]:
    """Return accuracy against device-seconds of a distillation: a chart for each class of devices."""
    groups: dict[str, list[Point]] = {}
    for row, value in table.ranked:
        if (device := row.costs.device_class) and not row.external and isfinite(row.costs.device_seconds):
            groups.setdefault(device, []).append(Point(row.name, row.costs.device_seconds, value))
    return [
        _chart(table, points, _SECONDS, words.size(table.ipc), device)
        for device, points in sorted(groups.items())
        if len(points) > 1
    ]


def stored(tables: Sequence[Table]) -> Chart | None:
    """Return accuracy against the stored bytes of a set, over tables that differ in their size alone.

    None if fewer than two rows have both.
    """
    points = [
        Point(f"{row.name}, {table.ipc}" if len(tables) > 1 else row.name, row.costs.stored_bytes, value)
        for table in tables
        for row, value in table.ranked
        if row.costs.stored_bytes > 0
    ]
    sizes = " and ".join(", ".join(str(table.ipc) for table in tables).rsplit(", ", 1))
    if len(points) < 2:
        return None
    several = f"{sizes} images per class, the numbers after the names"
    return _chart(tables[0], points, _BYTES, several if len(tables) > 1 else words.size(tables[0].ipc))


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats: cheapest first, each more accurate than those before."""
    found: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost, -each.value.mean, each.name)):
        if not found or point.value.mean > found[-1].value.mean:
            found.append(point)
    return found


def _chart(table: Table, points: Sequence[Point], axis: _Axis, size: str, device: str = "") -> Chart:
    best = front(points)
    on = f", {device}" if device else ""
    order = [*best, *sorted((each for each in points if each not in best), key=lambda each: -each.value.mean)]
    across = axis.scale([each.cost for each in points])
    accuracies = scale.percents([end for each in points for end in (each.value.low, each.value.high)])
    up = marks.upwards(accuracies, _TOP, _BOTTOM)
    stairs = list(_stairs([(across.share(each.cost), up(each.value.mean)) for each in best]))
    return Chart(
        kind=axis.kind,
        title=f"Accuracy against {axis.titles[0]} on {table.task} at {size.partition(', the')[0]}{on}",
        caption=_CAPTION.format(
            size=size[0].upper() + size[1:],
            measured=words.measured(table),
            device=f" Device {device}." if device else "",
        ),
        height=_HEIGHT,
        left=_LEFT,
        right=_RIGHT,
        marks=(
            *marks.vertical(accuracies, _TOP, _BOTTOM),
            *marks.horizontal(across, _TOP, _BOTTOM, axis.titles[1]),
            *(Line(100 * x1, y1, 100 * x2, y2, "front") for x1, y1, x2, y2 in stairs),
            *(mark for each in reversed(order) for mark in _point(each, each in best, across, up, axis)),
            *_names(order, len(best), across, up, stairs),
        ),
        headings=("row", axis.titles[1], "accuracy, %", "on the front"),
        lines=tuple(
            (each.name, axis.text(each.cost), words.percent(each.value), "yes" if each in best else "")
            for each in sorted(points, key=lambda each: (each.cost, each.name))
        ),
    )


def _stairs(places: Sequence[tuple[float, float]]) -> Iterator[labels.Wall]:
    """Yield the front as stairs: between two of its points, the cheaper one is the best."""
    for (x1, y1), (x2, y2) in zip(places, [*places[1:], (1.0, places[-1][1])], strict=True):
        yield x1, y1, x2, y1
        if y1 != y2:
            yield x2, y1, x2, y2


def _point(
    point: Point, best: bool, across: scale.Scale, up: Callable[[float], float], axis: _Axis
) -> Iterator[Mark]:
    x, look = 100 * across.share(point.cost), "best" if best else "other"
    if point.value.measured:
        yield Line(x, up(point.value.low), x, up(point.value.high), f"interval {look}")
    told = f"{point.name}: {words.percent(point.value)} %, {axis.text(point.cost)}"
    yield Dot(x, up(point.value.mean), look if point.value.measured else f"{look} single", told)


def _names(
    order: Sequence[Point],
    best: int,
    across: scale.Scale,
    up: Callable[[float], float],
    walls: Sequence[labels.Wall],
) -> Iterator[Mark]:
    """Yield names of points: those that have room on a phone, then others that have room on a screen."""
    names = [marks.cut(each.name, 130) for each in order]
    spots = [
        labels.Spot(
            across.share(each.cost),
            up(each.value.mean),
            up(each.value.low),
            up(each.value.high),
            marks.width(names[at], bold=at < best),
        )
        for at, each in enumerate(order)
    ]
    near = labels.place(spots, (*_PHONE, *_SCREENS), (_TOP - 6, _BOTTOM), walls=walls)
    far = labels.place(spots, _SCREENS, (_TOP - 6, _BOTTOM), walls=walls, kept=near)
    for placed, look in [*((each, "") for each in near), *((each, "wide") for each in far)]:
        spot, mark = spots[placed.at], "best" if placed.at < best else "other"
        if placed.far:
            end = (placed.dx - 2 * (placed.dx > 0) + 2 * (placed.dx < 0), placed.dy - 4)
            yield Stroke(100 * spot.x, spot.y, (0, 0), end, f"pointer {look}".strip())
        at = (100 * spot.x, round(spot.y + placed.dy, 2))
        yield Text(
            *at,
            names[placed.at],
            f"point {mark} {look}".strip(),
            placed.anchor,
            placed.dx,
            order[placed.at].name,
        )
