"""Retrain networks from scratch on the synthetic set; their accuracy ranks the methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.fit import accuracy, copy_seeds, fit_copies
from suite.core.training.recipes import RECIPES, recipe
from suite.core.training.retrain_together import retrain

CHOSEN = "chosen"
CANDIDATES = ("dc-300", "dsa-1000", "rat-bptt-1000")
"""The recipes that `chosen` tries; recipes with a learned rate are added for sets that have one.

New recipes must not be added, since `chosen` would change its meaning."""


@dataclass(frozen=True)
class Retrain:
    """Train fresh networks under a frozen recipe; read the test split once, after the last step.

    recipe: a frozen recipe, or `chosen`: the recipe of `CANDIDATES` with the best accuracy on the holdout of
    train. Then fresh copies with other seeds are tested. The set was distilled from all of train, including
    the holdout, so accuracies on the holdout are too high. The bias is largest under the method's native
    recipe, which is therefore preferred, and the choice may miss the best recipe. It never uses test
    accuracy.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    copies: int = 5

    title: ClassVar[str] = "Retrained networks"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "accuracy", ranks=True),
        Score("chosen/*", "{}", unit="choice", shown=False),
        Score("holdout/*", "{} on the holdout", shown=False),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "copies": 1,
    }

    def __post_init__(self) -> None:
        if self.recipe != CHOSEN:
            recipe(self.recipe, besides=(CHOSEN,))
        at_least_one(self, "copies")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return the `accuracy` in [0, 1] of each copy and the `seconds` of its training.

        With `chosen` also `holdout/<recipe>`, the accuracies of each recipe's copies on the holdout, and
        `chosen/<recipe>`, 1 for the chosen recipe.
        """
        name, chosen = self._choose(synthetic, task, seed) if self.recipe == CHOSEN else (self.recipe, {})
        trainings = {"accuracy": (synthetic, recipe(name))}
        scores = retrain(self.network, trainings, task, copies=self.copies, seed=seed)
        return Scores({**scores.values, **chosen})

    def _choose(
        self, synthetic: SyntheticSet, task: Task, seed: int
    ) -> tuple[str, Mapping[str, tuple[float, ...]]]:
        """Return the first recipe with the best mean accuracy on the holdout, and the scores."""
        net, held = network(self.network, task.train.shape, task.train.classes), task.holdout().test
        seeds = copy_seeds(seed, self.copies, "holdout copy")
        found = {
            name: tuple(
                accuracy(net, parameters, held)
                for parameters in fit_copies(net, synthetic, recipe(name).for_data(task.train), seeds=seeds)
            )
            for name in _candidates(synthetic)
        }
        best = max(found, key=lambda name: fmean(found[name]))
        return best, {f"holdout/{name}": values for name, values in found.items()} | {
            f"chosen/{best}": (1.0,)
        }


def _candidates(synthetic: SyntheticSet) -> list[str]:
    """Return the recipes to try; recipes with a learned rate only if the set has one."""
    learned = [name for name, each in RECIPES.items() if each.learned_lr and synthetic.lr is not None]
    return [*CANDIDATES, *learned]


EVALUATOR = Retrain
