"""Axes: values to shares of a chart's width or height, with ticks at round values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, log

from matplotlib.ticker import LogLocator, MaxNLocator

from suite.board.render import words

_LOGARITHMIC = 5.0
"""Largest value over smallest value from which an axis is logarithmic."""

_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d"))
"""Seconds of each unit of time."""

_GAP = 0.12
"""Share of an axis that two of its ticks are apart, at the least."""

_COUNTS = (1, 3, 10, 30)
"""Ticks of a logarithmic axis of times, in each unit."""


@dataclass(frozen=True)
class Tick:
    """A value on an axis, and its text."""

    value: float
    text: str


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`. logarithmic: equal ratios have equal lengths.

    least: where all smaller values stand; None for the low end.
    """

    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False
    least: float | None = None

    def share(self, value: float) -> float:
        """Return where `value` stands: 0 at the low end, 1 at the high end; never outside."""
        least = self.low if self.least is None else self.least
        place = self._place(min(max(value, least), self.high))
        return (place - self._place(self.low)) / (self._place(self.high) - self._place(self.low))

    def _place(self, value: float) -> float:
        return log(value) if self.logarithmic else value


def finite(values: Iterable[float]) -> list[float]:
    """Return the finite ones of `values`."""
    return [value for value in values if isfinite(value)]


def percents(values: Iterable[float], *, most: int = 6) -> Scale:
    """Return the axis of accuracies in [0, 1], in percent. most: intervals between ticks."""
    found = finite(values) or [0.0, 1.0]
    low, high = 100 * min(found), 100 * max(found)
    margin = max(0.04 * (high - low), 0.5)
    low, high = max(low - margin, min(low, 0.0)), min(high + margin, max(high, 100.0))
    return _linear(low, high, most, lambda value: f"{value:g}".replace("-", "−"), unit=0.01)


def ranks(last: float) -> Scale:
    """Return the axis of mean ranks from 1 to `last`."""
    return _linear(0.7, last + 0.3, 8, lambda value: f"{value:g}", whole=True)


def sizes(values: Iterable[int]) -> Scale:
    """Return the axis of images per class, with a tick at each of `values`, or at some if they are many."""
    found = sorted(set(values))
    low, high = _widened(found[0], found[-1], 1.12)
    return Scale(low, high, _thinned([Tick(value, str(value)) for value in found], low, high), True)


def steps(values: Iterable[float]) -> Scale:
    """Return the axis of outer steps, from 0."""
    return _linear(0.0, max(finite(values), default=0.0) or 1.0, 5, lambda value: f"{value:,.0f}")


def elapsed(values: Iterable[float]) -> Scale:
    """Return the axis of seconds since a start, from 0."""
    return _seconds(0.0, max(finite(values), default=0.0) or 1.0)


def durations(values: Iterable[float]) -> Scale:
    """Return the axis of seconds; all below one second stand there, at `≤ 1 s`."""
    found = [max(value, 1.0) for value in finite(values)] or [1.0]
    low, high = _widened(min(found), max(found), 1.25)
    low = max(low, 0.8)  # a little room beside the shortest time
    small = any(value < 1 for value in finite(values))
    every = ((unit * count, f"{count} {name}") for unit, name in _UNITS for count in _COUNTS)
    ticks = [Tick(value, f"≤ {text}" if value == 1 and small else text) for value, text in every]
    ticks = [tick for tick in ticks if low <= tick.value <= high]
    if len(ticks) < 2:
        ticks = list(_seconds(low, high).ticks)
    return Scale(low, high, _thinned(ticks, low, high), True, least=max(low, 1.0))


def stored(values: Iterable[float]) -> Scale:
    """Return the axis of bytes, logarithmic if they differ much."""
    return _amounts(values, _bytes)


def bits(values: Iterable[float]) -> Scale:
    """Return the axis of bits, logarithmic if they differ much."""
    return _amounts(values, lambda value: words.bits(value).replace(".0 ", " "))


def _amounts(values: Iterable[float], text: Callable[[float], str]) -> Scale:
    found = [value for value in finite(values) if value > 0] or [1.0]
    if max(found) / min(found) < _LOGARITHMIC:
        margin = 0.06 * (max(found) - min(found)) or 0.1 * found[0]
        return _linear(max(0.0, min(found) - margin), max(found) + margin, 4, text)
    low, high = _widened(min(found), max(found), 1.25)
    places = LogLocator(subs=(1.0, 3.0)).tick_values(low, high)
    ticks = [Tick(float(place), text(place)) for place in places if low <= place <= high]
    return Scale(low, high, _thinned(ticks, low, high), True)


def _seconds(low: float, high: float) -> Scale:
    """Return a linear axis of seconds, with round numbers of the unit that fits its high end."""
    unit, name = next((each for each in reversed(_UNITS) if high > 2 * each[0]), _UNITS[0])
    return _linear(low / unit, high / unit, 5, lambda value: f"{value:g} {name}", unit=unit)


def _bytes(value: float) -> str:
    return words.memory(round(value)).replace(".0 ", " ") or "0 B"


def _linear(
    low: float,
    high: float,
    most: int,
    text: Callable[[float], str],
    *,
    unit: float = 1.0,
    whole: bool = False,
) -> Scale:
    """Return a linear axis. unit: of a value over that of the ticks; whole: no tick is a fraction."""
    if high <= low:
        low, high = low - 1, low + 1
    places = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    marks = [round(float(place), 9) + 0.0 for place in places if low <= place <= high]
    return Scale(low * unit, high * unit, tuple(Tick(mark * unit, text(mark)) for mark in marks))


def _widened(low: float, high: float, factor: float) -> tuple[float, float]:
    """Return the ends of a logarithmic axis, with a margin of about 4% of its length."""
    margin = max(factor ** (0 if high > low else 3), (high / low) ** 0.04)
    return low / margin, high * margin


def _thinned(ticks: Sequence[Tick], low: float, high: float) -> tuple[Tick, ...]:
    """Return the ticks of a logarithmic axis that have room: the ends first, then from the low end."""
    axis = Scale(low, high, (), True)
    kept = list(dict.fromkeys([*ticks[-1:], *ticks[:1]]))
    for tick in ticks:
        if all(abs(axis.share(tick.value) - axis.share(each.value)) >= _GAP for each in kept):
            kept.append(tick)
    return tuple(sorted(kept, key=lambda tick: tick.value))
