"""Names of points in a plane, placed so that they cover neither each other nor the points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST = 40  # names in a plot: there is no room for more
_HEIGHT = 12.0  # of a name, in pixels
_POINT = 5.5  # half the side of the square that a point covers
_BAR = 1.5  # half the width of its interval

_FAR = tuple(
    (round(radius * cos(angle * pi / 12), 1), round(4 - 0.8 * radius * sin(angle * pi / 12), 1))
    for radius in (26.0, 40.0, 58.0, 80.0, 104.0)
    for angle in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5)
)
"""Where a name may stand at some distance, to either side, with a line to its point."""

_FAR_AWAY = frozenset(_FAR)

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
    """Where the name of spot number `at` stands: see `suite.site.charts.drawing.marks.Text`."""

    at: int
    dx: float
    dy: float
    anchor: str

    @property
    def far(self) -> bool:
        """Whether a line leads from the name to its point."""
        return (abs(self.dx), self.dy) in _FAR_AWAY


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


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

    plots: widths in pixels; height: pixels from top to bottom. kept: names that are placed already. Of many
    spots only the first have names.
    """
    found: list[Placed] = []
    covered = {plot: np.array(list(_covered(spots, plot, walls, kept))) for plot in plots}
    known = {each.at for each in kept}
    for at in (at for at in range(min(len(spots), _MOST)) if at not in known):
        for candidate in (Placed(at, *where) for where in _PLACES):
            if all(_free(spots[at], candidate, plot, height, covered[plot]) for plot in plots):
                found.append(candidate)
                for plot in plots:
                    covered[plot] = np.vstack([covered[plot], [*name(spots[at], candidate, plot)]])
                break
    return found


def point(spot: Spot, plot: float) -> Iterator[Box]:
    """Yield what a point and its interval cover."""
    x = spot.x * plot
    yield Box(x - _POINT, spot.y - _POINT, x + _POINT, spot.y + _POINT)
    yield Box(x - _BAR, min(spot.low, spot.high), x + _BAR, max(spot.low, spot.high))


def name(spot: Spot, placed: Placed, plot: float) -> Iterator[Box]:
    """Yield what a name and the line to its point cover, the name first."""
    x = spot.x * plot
    start = x + placed.dx - spot.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[placed.anchor]
    base = spot.y + placed.dy
    yield Box(start, base - _HEIGHT + 2, start + spot.width, base + 3)
    for share in (0.4, 0.6, 0.8) if placed.far else ():
        at, y = x + share * placed.dx, spot.y + share * (placed.dy - 4)
        yield Box(at - 2, y - 2, at + 2, y + 2)


def _covered(
    spots: Sequence[Spot], plot: float, walls: Sequence[Wall], kept: Sequence[Placed]
) -> Iterator[Box]:
    for spot in spots:
        yield from point(spot, plot)
    for x1, y1, x2, y2 in walls:
        yield Box(x1 * plot - 1, min(y1, y2) - 1, x2 * plot + 1, max(y1, y2) + 1)
    for each in kept:
        yield from name(spots[each.at], each, plot)


def _free(
    spot: Spot, placed: Placed, plot: float, height: tuple[float, float], covered: NDArray[np.float64]
) -> bool:
    top, bottom = height
    for box in name(spot, placed, plot):
        if box.left < 0 or box.right > plot or box.top < top or box.bottom > bottom:
            return False
        across = (box.left < covered[:, 2]) & (covered[:, 0] < box.right)
        if (across & (box.top < covered[:, 3]) & (covered[:, 1] < box.bottom)).any():
            return False
    return True
