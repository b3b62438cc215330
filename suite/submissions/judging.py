"""When a claimed accuracy is believed: it may exceed what was measured again by as much as chance has it.

A claim is refused if its mean exceeds the mean of n freshly retrained networks by more than

    t(0.99; n - 1) · s · sqrt(1 / n + 1 / m) + 0.0005

s: the deviation of the n accuracies; m: the networks of the claim; 0.0005: the rounding of printed figures.
This is the one-sided t interval for the difference of two means of networks of the same set: honest claims
are refused in 1% of cases if accuracies are normal. The claim's own deviation is not used, since it could be
invented. A claim that is too low is accepted; the board shows the verified mean anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t as student

from suite.records.submission import Claim

LEVEL = 0.01
"""Share of honest claims that are refused."""

LEAST = 5
"""Fewest networks of a verification: with fewer, the limit would allow everything."""

_ROUNDING = 0.0005


@dataclass(frozen=True)
class Judgement:
    """A claim against measured accuracies. margin: by how much the claim may exceed their mean."""

    claimed: float
    verified: float
    margin: float

    @property
    def reason(self) -> str:
        """Why the claim is refused; "" if it is not."""
        over = self.claimed - self.verified
        if over <= self.margin:
            return ""
        return (
            f"the claim of {100 * self.claimed:.1f}% is {100 * over:.1f} points above the "
            f"{100 * self.verified:.1f}% that were measured, and chance explains at most "
            f"{100 * self.margin:.1f}"
        )


def judge(claim: Claim, verified: Sequence[float]) -> Judgement:
    """Compare a claim with the accuracies of `LEAST` or more freshly retrained networks."""
    if (count := len(verified)) < LEAST:
        raise ValueError(f"a claim is judged by at least {LEAST} networks, not {count}")
    limit = float(student.ppf(1 - LEVEL, count - 1))
    margin = limit * stdev(verified) * sqrt(1 / count + 1 / claim.copies) + _ROUNDING
    return Judgement(claim.accuracy, fmean(verified), margin)
