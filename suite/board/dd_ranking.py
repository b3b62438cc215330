"""DD-Ranking's scores (arXiv 2505.13300), each defined once: its accuracies, formula and explanation.

A score is a weighted sum of accuracies. To add a score, define it and list it in `SCORES`; the board, CSV and
JSON then show it. LRS and ARS are defined for fractions, as used here; DD-Ranking's code uses percentages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import exp
from typing import Literal

from suite.board.statistics.differences import Copies as Copies
from suite.board.statistics.differences import Difference, PerSeed, combination
from suite.board.statistics.intervals import DIGITS
from suite.records.cells import RANDOM, RELABELLED

LABEL_ROBUST, AUGMENTATION_ROBUST = "label_robust", "augmentation_robust"
"""The evaluators of the trainings that `retrain` does not run."""


@dataclass(frozen=True)
class Weights:
    """label: w, of IOR against HLR in LRS; augmentation: γ, of augmented training in ARS."""

    label: float = 0.5
    augmentation: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("label", self.label), ("augmentation", self.augmentation)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} weight {value} must lie between 0 and 1")


DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True)
class Training:
    """One training whose accuracy is part of a score.

    images: the distilled set, a random subset of its size, the same subset with a teacher's labels, or all of
    train. way: the method's native recipe unchanged, with other augmentation, or without augmentation; or
    hard labels under one common recipe.
    """

    images: Literal["set", "random", "relabelled", "full"]
    way: Literal["native", "hard", "augmented", "plain"]

    @property
    def name(self) -> str:
        """Its name in CSV and JSON, such as `set_hard`."""
        return f"{self.images}_{self.way}"

    @property
    def evaluator(self) -> str:
        """The evaluator that measures it, unless `retrain` has done so."""
        return AUGMENTATION_ROBUST if self.way in ("augmented", "plain") else LABEL_ROBUST


NATIVE = Training("set", "native")
RANDOM_NATIVE = Training("random", "native")
HARD = Training("set", "hard")
FULL_HARD = Training("full", "hard")
AUGMENTED = Training("set", "augmented")
RANDOM_AUGMENTED = Training("random", "augmented")
PLAIN = Training("set", "plain")
RANDOM_PLAIN = Training("random", "plain")

AS_RELABELLED = {
    RANDOM_NATIVE: Training("relabelled", "native"),
    RANDOM_AUGMENTED: Training("relabelled", "augmented"),
    RANDOM_PLAIN: Training("relabelled", "plain"),
}
"""The training of a random subset -> that of the same images with a teacher's labels."""


@dataclass(frozen=True)
class DDScore:
    """A score: a weighted sum of accuracies, as points or mapped to [0, 1].

    evaluator: its table shows the score; terms: the weight of each training; explain: returns its
    explanation.

        >>> accuracies = {NATIVE: 0.60, RANDOM_NATIVE: 0.30, HARD: 0.60, FULL_HARD: 0.85}
        >>> per_seed = {training: {0: Copies(0, (value,))} for training, value in accuracies.items()}
        >>> for score in (IOR, HLR, LRS):
        ...     print(score.name, round(score.value(per_seed, Weights()).mean, 4))
        ior 0.3
        hlr 0.25
        lrs 0.2797
    """

    name: str
    evaluator: str
    terms: Callable[[Weights], Mapping[Training, float]]
    explain: Callable[[Weights], str]
    normalised: bool = False

    @property
    def title(self) -> str:
        """Its column's heading."""
        name, _, other = self.name.partition("_")
        return ", ".join(filter(None, [name.upper(), other]))

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The trainings whose accuracies it uses."""
        return tuple(self.terms(DEFAULT_WEIGHTS))

    def value(self, accuracies: Mapping[Training, PerSeed], weights: Weights) -> Difference:
        """Return the score with its interval; raises KeyError if a training's accuracies are missing."""
        terms = [(weight, accuracies[training]) for training, weight in self.terms(weights).items()]
        found = combination(terms)
        if not self.normalised:
            return found
        ends = (found.mean, found.low, found.high)  # the map is monotone
        mean, low, high = (round(normalised(each), DIGITS) for each in ends)
        return replace(found, mean=mean, low=low, high=high)


def normalised(value: float) -> float:
    """Return (e^value - e^-1) / (e - e^-1): from [-1, 1] to [0, 1].

    >>> normalised(-1), round(normalised(0), 3), normalised(1)
    (0.0, 0.269, 1.0)
    """
    return (exp(value) - exp(-1)) / (exp(1) - exp(-1))


IOR = DDScore(
    "ior",
    LABEL_ROBUST,
    lambda weights: {NATIVE: 1.0, RANDOM_NATIVE: -1.0},
    lambda weights: (
        f"**IOR**, improvement over random: accuracy under the method's native recipe minus that of "
        f"`{RANDOM}` at the same size under the same recipe, in points."
    ),
)
HLR = DDScore(
    "hlr",
    LABEL_ROBUST,
    lambda weights: {FULL_HARD: 1.0, HARD: -1.0},
    lambda weights: (
        "**HLR**, hard-label recovery: accuracy of full data minus that of the set, both with hard labels "
        "(the argmax of soft ones), in points. Lower is better."
    ),
)
LRS = DDScore(
    "lrs",
    LABEL_ROBUST,
    lambda weights: {
        NATIVE: weights.label,
        RANDOM_NATIVE: -weights.label,
        HARD: 1 - weights.label,
        FULL_HARD: -(1 - weights.label),
    },
    lambda weights: (
        "**LRS**, label-robust score: (e^α − e⁻¹) / (e − e⁻¹) with "
        f"α = {weights.label:g} IOR − {1 - weights.label:g} HLR, as fractions; from 0 to 1. It is high for a "
        "set that is good without soft labels and without a special recipe."
    ),
    normalised=True,
)
ARS = DDScore(
    "ars",
    AUGMENTATION_ROBUST,
    lambda weights: {
        AUGMENTED: weights.augmentation,
        RANDOM_AUGMENTED: -weights.augmentation,
        PLAIN: 1 - weights.augmentation,
        RANDOM_PLAIN: -(1 - weights.augmentation),
    },
    lambda weights: (
        "**ARS**, augmentation-robust score: the same formula with "
        f"β = {weights.augmentation:g} × the gain over `{RANDOM}` with augmentation + "
        f"{1 - weights.augmentation:g} × the gain without. A gain of zero gives 0.269."
    ),
    normalised=True,
)


SCORES = (IOR, HLR, LRS, ARS)
TRAININGS = tuple(dict.fromkeys(training for score in SCORES for training in score.trainings))


def _against_relabelled(score: DDScore) -> DDScore:
    def terms(weights: Weights) -> Mapping[Training, float]:
        return {AS_RELABELLED.get(each, each): weight for each, weight in score.terms(weights).items()}

    def explain(_: Weights) -> str:
        return (
            "**relabelled**: the same scores of a set with soft labels, as DD-Ranking has them, against "
            f"`{RELABELLED}`: the images of `{RANDOM}`, which has hard labels, with those of a teacher that "
            "trained on train. The difference is what such labels give to any images."
        )

    return replace(score, name=f"{score.name}_relabelled", terms=terms, explain=explain)


RELABELLED_SCORES = {score: _against_relabelled(score) for score in (IOR, LRS, ARS)}
"""A score -> the same against random subsets with a teacher's labels: DD-Ranking's for soft labels."""
EVALUATORS = tuple(dict.fromkeys(score.evaluator for score in SCORES))
