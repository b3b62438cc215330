"""Whether a method is better than random images: a test that few seeds do not mislead."""

from warnings import catch_warnings

import numpy as np
from scipy.stats import ttest_ind, ttest_rel

from suite.board.statistics.differences import Difference, PerSeed
from suite.board.statistics.intervals import DIGITS

LEVEL = 0.05
"""How often a random set may be said to be better than random sets, in any of the scores compared."""


def lead(first: PerSeed, second: PerSeed, scores: int = 1) -> Difference | None:
    """Return the mean of one method minus that of another with Student's t interval over distillation seeds.

    The copies of a seed share its set, so that their mean counts as one value. Seeds are paired if both have
    the same. Above zero, the interval shows that the first is better: equal methods are told apart in this
    direction in `LEVEL` of all cases, over as many `scores` as are compared (Bonferroni). None if one of them
    has one seed only, since nothing is then known of other sets. Differences that are all equal, as two of a
    small test split often are, do not tell how they vary: the interval then reaches to zero.

    `differences.difference` resamples seeds and copies, which orders many rows well but is wrong too often
    with two or three seeds.
    """
    if min(len(first), len(second)) < 2:
        return None
    paired = first.keys() == second.keys()
    ours, theirs = (
        np.array([np.mean(side[seed].values) for seed in sorted(side)]) for side in (first, second)
    )
    with catch_warnings(action="ignore", category=RuntimeWarning):  # of values that hardly vary
        test = ttest_rel(ours, theirs) if paired else ttest_ind(ours, theirs, equal_var=False)
    found = test.confidence_interval(1 - 2 * LEVEL / scores)
    mean = float(ours.mean() - theirs.mean())
    low, high = float(found.low), float(found.high)
    if not high - low > 10**-DIGITS:  # also if they are not finite
        low, high = min(mean, 0.0), max(mean, 0.0)
    low, high = round(low, DIGITS), round(high, DIGITS)
    return Difference(round(mean, DIGITS), low, high, len(first) if paired else 0)
