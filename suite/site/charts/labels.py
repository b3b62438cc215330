"""Names of points in a plane, placed so that they cover neither each other nor the points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import NamedTuple

_HEIGHT = 12.0  # of a name, in pixels
_POINT = 5.5  # half the side of the square that a point covers
_BAR = 1.5  # half the width of its interval

_FAR = tuple(
    (round(radius * cos(angle * pi / 12), 1), round(4 - 0.8 * radius * sin(angle * pi / 12), 1))
    for radius in (26.0, 40.0, 58.0, 80.0, 104.0)
    for angle in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5)
)
"""Where a name may stand at some distance, to either side, with a line to its point."""

_PLACES = (
    (9.0, 4.0, "start"),
    (-9.0, 4.0, "end"),
    (6.0, -7.0, "start"),
    (6.0, 15.0, "start"),
    (-6.0, -7.0, "end"),
    (-6.0, 15.0, "end"),
    (0.0, -10.0, "middle"),
    (0.0, 19.0, "middle"),
    *((side * dx, dy, "start" if side > 0 else "end") for dx, dy in _FAR for side in (1, -1)),
)
"""Where a name may stand: pixels right of its point and below it, and its anchor; the best ones first."""


class Spot(NamedTuple):
    """A point. x: share of the width, 0 to 1; y, low, high: pixels, of it and of the ends of its interval.

    width: of its name, in pixels.
    """

    x: float
    y: float
    low: float
    high: float
    width: float


@dataclass(frozen=True)
class Placed:
    """Where the name of spot number `at` stands: see `suite.site.charts.marks.Text`."""

    at: int
    dx: float
    dy: float
    anchor: str

    @property
    def far(self) -> bool:
        """Whether a line leads from the name to its point."""
        return (abs(self.dx), self.dy) in _FAR


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


Wall = tuple[float, float, float, float]
"""A line that no name may cross: x, y, x, y of its ends, the x as shares of the width; level or upright."""


def place(
    spots: Sequence[Spot],
    plots: Sequence[float],
    height: tuple[float, float],
    *,
    walls: Sequence[Wall] = (),
    kept: Sequence[Placed] = (),
) -> list[Placed]:
    """Return places of the names that have room in plots of several widths, the first spots first.

    plots: widths in pixels; height: pixels from top to bottom. kept: names that are placed already.
    """
    found = list(kept)
    covered = {plot: [box for spot in spots for box in _point(spot, plot)] for plot in plots}
    for plot, taken in covered.items():
        taken += [
            _Box(x1 * plot - 1, min(y1, y2) - 1, x2 * plot + 1, max(y1, y2) + 1) for x1, y1, x2, y2 in walls
        ]
        taken += [box for each in kept for box in _name(spots[each.at], each, plot)]
    for at in sorted(set(range(len(spots))) - {each.at for each in kept}):
        for candidate in (Placed(at, *where) for where in _PLACES):
            boxes = {plot: list(_name(spots[at], candidate, plot)) for plot in plots}
            if all(_free(boxes[plot], covered[plot], plot, height) for plot in plots):
                found.append(candidate)
                for plot in plots:
                    covered[plot] += boxes[plot]
                break
    return found[len(kept) :]


def _free(boxes: Sequence[_Box], covered: Sequence[_Box], plot: float, height: tuple[float, float]) -> bool:
    top, bottom = height
    inside = all(
        box.left >= 0 and box.right <= plot and top <= box.top <= box.bottom <= bottom for box in boxes
    )
    return inside and not any(box.meets(other) for box in boxes for other in covered)


def _point(spot: Spot, plot: float) -> Iterator[_Box]:
    """Yield what a point and its interval cover."""
    x = spot.x * plot
    yield _Box(x - _POINT, spot.y - _POINT, x + _POINT, spot.y + _POINT)
    yield _Box(x - _BAR, min(spot.low, spot.high), x + _BAR, max(spot.low, spot.high))


def _name(spot: Spot, placed: Placed, plot: float) -> Iterator[_Box]:
    """Yield what a name and the line to its point cover."""
    x = spot.x * plot
    start = x + placed.dx - spot.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[placed.anchor]
    base = spot.y + placed.dy
    yield _Box(start, base - _HEIGHT + 2, start + spot.width, base + 3)
    for share in (0.4, 0.6, 0.8) if placed.far else ():
        at, y = x + share * placed.dx, spot.y + share * (placed.dy - 4)
        yield _Box(at - 2, y - 2, at + 2, y + 2)
