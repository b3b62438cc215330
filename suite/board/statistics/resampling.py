"""The hierarchical bootstrap: seeds drawn with replacement, then copies within each drawn seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
"""Bootstrap resamples of an interval."""

REMEMBERED = 2**16
"""Results that are kept: a board asks for the same interval up to three times."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def sample_seeds(count: int, rng: np.random.Generator) -> Integers:
    """Return the indices of the seeds of each resample: (RESAMPLES, count)."""
    return rng.integers(count, size=(RESAMPLES, count))


def sample_copies(drawn: Integers, copies: int, rng: np.random.Generator) -> Floats:
    """Return numbers in [0, 1) that pick `copies` copies of each drawn seed."""
    return rng.random((*drawn.shape, copies))


def means(groups: Sequence[Sequence[float]], drawn: Integers, chosen: Floats) -> Floats:
    """Return the mean of seed means of each resample: (RESAMPLES,).

    groups: the values of each seed, in any number; empty for a missing seed. The mean is NaN if a resample
    drew only missing seeds. drawn, chosen: see `sample_seeds` and `sample_copies`.
    """
    counts = np.array([len(group) for group in groups])
    padded = np.zeros((len(groups), chosen.shape[2]))
    for row, group in zip(padded, groups, strict=True):
        row[: len(group)] = group
    numbers = counts[drawn]  # copies of each drawn seed
    picked = (chosen * numbers[..., None]).astype(int)
    sums = np.zeros(drawn.shape)
    for copy in range(chosen.shape[2]):
        sums += padded[drawn, picked[..., copy]] * (copy < numbers)
    present = (numbers > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        found: Floats = (sums / np.maximum(numbers, 1)).sum(axis=1) / present
    return found
