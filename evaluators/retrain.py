"""Retrain networks from scratch on the synthetic set: the number that the board ranks by."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

from suite.core.networks import STANDARD, network
from suite.core.recipes import recipe
from suite.core.seeding import derive
from suite.core.spec import Examples, Scores, SyntheticSet, Task
from suite.core.training import accuracy, fit_copies


@dataclass(frozen=True)
class Retrain:
    """Fresh networks trained under a frozen recipe; test accuracy, read once, after the last step."""

    recipe: str = "dsa"
    network: str = STANDARD
    copies: int = 5

    smoke: ClassVar[Mapping[str, Any]] = {"recipe": "rat-bptt", "network": "convnet-d1-w8-in", "copies": 1}

    def __post_init__(self) -> None:
        recipe(self.recipe)
        if self.copies < 1:
            raise ValueError(f"copies {self.copies} must be at least 1")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return each copy's `accuracy` in [0, 1] and its training's `seconds`."""
        net = network(self.network, task.train.shape, task.train.classes)
        trained, seconds, started = [], [], perf_counter()
        seeds = [derive(seed, "copy", copy) for copy in range(self.copies)]
        for parameters in fit_copies(net, synthetic, recipe(self.recipe), seeds=seeds):
            trained.append(parameters)
            seconds.append(perf_counter() - started)
            started = perf_counter()
        test = task.test  # the one read, when every copy has taken its last step
        accuracies = tuple(accuracy(net, parameters, test) for parameters in trained)
        return Scores({"accuracy": accuracies, "seconds": tuple(seconds)})


EVALUATOR = Retrain
