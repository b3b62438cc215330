"""Accuracy with hard labels and under the native recipe, from which the board computes LRS.

The label-robust score of DD-Ranking, arXiv 2505.13300. It stores accuracies only: the board computes the
score from them and from those of random subsets and full data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch.nn.functional import one_hot

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.recipes import recipe, recipe_of_labels
from suite.core.training.retrain_together import retrain


@dataclass(frozen=True)
class LabelRobust:
    """Train fresh networks with hard labels, and with the set's labels under its method's recipe (LRS).

    native_recipe: the recipe of the method's paper, set by the grid; recipe: the recipe for hard labels, also
    used for full data. Trains 2 x copies networks, ten by default; half as many if both trainings are equal.
    """

    native_recipe: str = "dsa-1000"
    recipe: str = "dsa-1000"
    network: str = STANDARD
    copies: int = 5

    title: ClassVar[str] = "With hard labels"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "native recipe", shown=False),
        Score("hard", "hard labels", shown=False),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "native_recipe": "ncfm-40",
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "copies": 1,
    }

    def __post_init__(self) -> None:
        recipe(self.native_recipe)
        recipe_of_labels(self.recipe)
        at_least_one(self, "copies")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return `accuracy` (native recipe) and `hard` of each copy, and the `seconds` of each training."""
        trainings = {
            "accuracy": (synthetic, recipe(self.native_recipe)),
            "hard": (hardened(synthetic), recipe(self.recipe)),
        }
        return retrain(self.network, trainings, task, copies=self.copies, seed=seed)


def hardened(synthetic: SyntheticSet) -> SyntheticSet:
    """Replace soft labels by their argmax; return a hard set unchanged."""
    if synthetic.hard:
        return synthetic
    labels = one_hot(synthetic.labels.argmax(2), synthetic.classes).to(synthetic.labels)
    return replace(synthetic, labels=labels)


EVALUATOR = LabelRobust
