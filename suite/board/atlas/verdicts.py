"""Compare an accuracy of ours with a printed one: reproduced, off, or undecided."""

from dataclasses import dataclass
from math import hypot
from typing import Literal

from suite.board.reported import Figure
from suite.board.statistics.differences import PerSeed, combination
from suite.core.names import counted

WIDEST = 2.0
"""Points: an agreement within a wider interval says nothing."""

_NORMAL = 1.96  # standard deviations of a printed spread that count, as in our 95% intervals

Word = Literal["reproduced", "off", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """Ours minus printed, in points, with its half-width at 95%; None if nothing of ours varied.

    The half-width combines ours, over distillation seeds and networks, with 1.96 printed deviations. reason:
    of an undecided verdict.
    """

    word: Word
    difference: float
    half_width: float | None
    reason: str = ""


def verdict(figure: Figure, ours: PerSeed) -> Verdict:
    """Compare accuracies in [0, 1] by distillation seed with a printed figure in percent.

    off: the interval excludes zero. reproduced: it contains zero and reaches at most `WIDEST` points to each
    side. Otherwise undecided, as is everything from a single distillation: what varies between distillations
    is then not known.
    """
    _, mean, *spread = figure
    own = combination([(1.0, ours)])
    difference = round(100 * own.mean - mean, 6)
    if own.low == own.high:
        return Verdict("undecided", difference, None, "nothing varied")
    half = hypot(100 * max(own.high - own.mean, own.mean - own.low), _NORMAL * sum(spread))
    half = round(half, 6)
    if len(ours) == 1:
        return Verdict("undecided", difference, half, counted(1, "distillation"))
    if abs(difference) > half:
        return Verdict("off", difference, half)
    if half <= WIDEST:
        return Verdict("reproduced", difference, half)
    return Verdict("undecided", difference, half, f"wider than {WIDEST:g} points")
