"""Which figures are possible: no time or size is negative, and accuracies lie in [0, 1]."""

from collections.abc import Iterable, Mapping
from math import isfinite

from suite.core.scores import Score, Unit

MOST = 2.0**53
"""Larger than any time in seconds or size in bytes; up to here a float is exact for whole numbers."""

_LIMITS: Mapping[Unit, tuple[float, float]] = {
    "percent": (0, 1),
    "fraction": (0, 1),
    "points": (-1, 1),
    "choice": (0, 1),
    "seconds": (0, MOST),
    "number": (-MOST, MOST),
}
_ROUNDING = 1e-9  # a mean of accuracies may exceed 1 by it


def impossible(
    figures: Mapping[str, float],
    scores: Mapping[str, Iterable[float]],
    described: Iterable[Score],
    seconds: Iterable[float] = (),
) -> str:
    """Return in one sentence the first impossible figure, "" without one.

    figures: counts, times and sizes by name; scores: one value per copy; described: their units; seconds: of
    a curve. An accuracy keeps to [0, 1] whatever unit a description gives it.
    """
    declared = tuple(described)
    for name, value in (*figures.items(), *(("seconds of its curve", value) for value in seconds)):
        if not 0 <= value <= MOST:
            return f"{name} {_shown(value)} is impossible: it must be from 0 to 2^53"
    for name, values in scores.items():
        low, high = _limits(name, declared)
        for value in values:
            if not (isfinite(value) and low - _ROUNDING <= value <= high + _ROUNDING):
                return f"score {name[:60]!r} {value:g} is impossible: it must be from {low:g} to {high:g}"
    return ""


def _limits(name: str, declared: Iterable[Score]) -> tuple[float, float]:
    if name == "accuracy" or name.startswith("accuracy/"):
        return _LIMITS["percent"]
    if name == "seconds":
        return _LIMITS["seconds"]
    return _LIMITS[next((score.unit for score in declared if score.matches(name)), "number")]


def _shown(value: float) -> str:
    text = str(value)
    return text if len(text) < 30 else f"{text[:20]}… with {len(text)} digits"
