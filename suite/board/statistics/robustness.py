"""LRS and ARS from accuracies in [0, 1]: DD-Ranking's scores, arXiv 2505.13300, with intervals.

Their code puts percentages into these formulas, which take fractions.
"""

from dataclasses import dataclass, replace
from math import exp

from suite.board.statistics.differences import Difference, Scored, combination
from suite.board.statistics.intervals import DIGITS


@dataclass(frozen=True)
class Weights:
    """label: w, of IOR against HLR; augmentation: γ, of training with augmentation against without."""

    label: float = 0.5
    augmentation: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("label", self.label), ("augmentation", self.augmentation)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} weight {value} must lie between 0 and 1")


def normalised(value: float) -> float:
    """Return (e^value - e^-1) / (e - e^-1): from [-1, 1] to [0, 1]."""
    return (exp(value) - exp(-1)) / (exp(1) - exp(-1))


def label_robust(own: Scored, random: Scored, hard: Scored, full: Scored, *, weight: float) -> Difference:
    """Return LRS: α = w IOR - (1 - w) HLR, normalised.

    own and random: under the set's own recipe; hard and full: with hard labels.
    """
    rest = 1 - weight
    return _normalised(combination([(weight, own), (-weight, random), (rest, hard), (-rest, full)]))


def augmentation_robust(
    augmented: Scored, random_augmented: Scored, plain: Scored, random_plain: Scored, *, weight: float
) -> Difference:
    """Return ARS: β = γ (gain over random, augmented) + (1 - γ) (the same without), normalised."""
    rest = 1 - weight
    terms = [(weight, augmented), (-weight, random_augmented), (rest, plain), (-rest, random_plain)]
    return _normalised(combination(terms))


def _normalised(value: Difference) -> Difference:
    """Normalise mean and ends alike: the map is monotone."""
    mean, low, high = (round(normalised(each), DIGITS) for each in (value.mean, value.low, value.high))
    return replace(value, mean=mean, low=low, high=high)
