"""Accuracy with and without augmentation, from which the board computes ARS.

The augmentation-robust score of DD-Ranking, arXiv 2505.13300. It stores
accuracies only: the board computes the score from them and from those of random subsets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.augment import augmentation
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import retrain


@dataclass(frozen=True)
class AugmentationRobust:
    """Train fresh networks with and without augmentation, otherwise under the method's recipe (ARS).

    native_recipe: the recipe of the method's paper, set by the grid; augment: the augmentation that replaces
    the recipe's, the same for every method. Trains 2 x copies networks, ten by default.
    """

    native_recipe: str = "dsa-1000"
    augment: str = "dsa"
    network: str = STANDARD
    copies: int = 5

    title: ClassVar[str] = "With and without augmentation"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "augmented", shown=False),
        Score("plain", "plain", shown=False),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "native_recipe": "ncfm-40",
        "augment": "flip-rotate",
        "network": "convnet-d1-w8-in",
        "copies": 1,
    }

    def __post_init__(self) -> None:
        recipe(self.native_recipe)
        augmentation(self.augment)
        if self.augment == "none":
            raise ValueError("augment 'none' is the baseline; choose another, such as 'dsa' or 'flip-rotate'")
        at_least_one(self, "copies")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return `accuracy` (augmented) and `plain` of each copy, and the `seconds` of each training."""
        native = recipe(self.native_recipe)
        trainings = {
            "accuracy": (synthetic, replace(native, augment=self.augment)),
            "plain": (synthetic, replace(native, augment="none")),
        }
        return retrain(self.network, trainings, task, copies=self.copies, seed=seed)


EVALUATOR = AugmentationRobust
