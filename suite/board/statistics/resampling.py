"""The hierarchical bootstrap: seeds drawn with replacement, then copies within each drawn seed.

What is drawn depends on the numbers of seeds and copies alone. So a resample is drawn once, as weights of the
values, for all rows that have as many: a table of a hundred rows draws once.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
"""Bootstrap resamples of an interval."""

REMEMBERED = 2**16
"""Results that are kept: a board asks for the same interval up to three times."""

DRAWS = 16
"""Weights that are kept: rows of a table mostly have the same seeds and copies."""

KEPT, AT_ONCE = 1_000_000, 4_000_000
"""Numbers whose weights are kept (8 MB), and that are drawn at once: more are drawn in parts."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def sample_seeds(count: int, rng: np.random.Generator, resamples: int) -> Integers:
    """Return the indices of the seeds of each resample: (resamples, count)."""
    return rng.integers(count, size=(resamples, count))


def sample_copies(drawn: Integers, copies: int, rng: np.random.Generator) -> Floats:
    """Return numbers in [0, 1) that pick `copies` copies of each drawn seed."""
    return rng.random((*drawn.shape, copies))


def parts(numbers: int) -> list[int]:
    """Return how many resamples are drawn at a time if each draws as many numbers."""
    size = min(RESAMPLES, max(1, AT_ONCE // numbers))
    return [min(size, RESAMPLES - start) for start in range(0, RESAMPLES, size)]


def weights(copies: Sequence[int], drawn: Integers, chosen: Floats) -> Floats:
    """Return the weight of each value in the mean of seed means of each resample: (values, resamples).

    copies: the number of each seed's values, which follow one another; 0 for a missing seed. The weights are
    NaN if a resample drew only missing seeds. drawn, chosen: see `sample_seeds` and `sample_copies`.
    """
    numbers = np.array(copies)[drawn][..., None]  # copies of each drawn seed
    first = np.cumsum([0, *copies])[drawn][..., None]
    used = np.arange(chosen.shape[2]) < numbers
    resample = np.arange(len(drawn))[:, None, None]
    cells = (first + (chosen * numbers).astype(int)) * len(drawn) + resample
    present = (numbers > 0).sum(axis=1, keepdims=True)
    shares = np.broadcast_to(1 / np.maximum(numbers * present, 1), used.shape)
    counted = np.bincount(cells[used], shares[used], minlength=sum(copies) * len(drawn))
    found = counted.astype(float, copy=False).reshape(-1, len(drawn))
    found[:, present[:, 0, 0] == 0] = np.nan
    return found


def means(values: Iterable[float], weights: Floats) -> Floats:
    """Return the mean of each resample: (resamples,). values: of all seeds, one after another."""
    found = np.zeros(weights.shape[1])
    for value, weight in zip(values, weights, strict=True):
        found += value * weight  # in this order, so that every machine finds the same bits
    return found


def ends(values: Floats, tail: float) -> tuple[float, float]:
    """Return the percentiles `tail` and 100 - `tail`, between values linearly, as `numpy.percentile` does.

    To sort ten thousand values takes half the time of its selection.
    """
    ordered, last = np.sort(values), len(values) - 1

    def at(place: float) -> float:
        below = min(int(place), last)
        above = min(below + 1, last)
        return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))

    return at(tail / 100 * last), at((100 - tail) / 100 * last)
