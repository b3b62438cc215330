"""Accuracy of networks other than the one used in distillation."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

from torch import Tensor

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.fit import accuracy, copy_seeds
from suite.core.training.lr_search import Search, chosen_rates
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import fitted


@dataclass(frozen=True)
class CrossArchitecture:
    """Retrain several networks, each at a learning rate chosen with random subsets.

    network: the home network; networks: the others. factors, draws: each network uses the recipe's learning
    rate times the best of `factors`, chosen on the holdout of train with `draws` random real subsets of the
    same size as the set. The choice uses neither the set nor the seed, so all methods have the same rates.

    Cost with N other networks: (N + 1) * copies trainings per set, 21 by default, and (N + 1) * factors *
    draws trainings, 42 by default, per task, recipe and size for the rates. The test split is read once.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    networks: tuple[str, ...] = (
        "mlp-w128",
        "alexnet-w128-in",
        "vgg11-w64-in",
        "resnet18-w64-in",
        "convnet-d3-w128-ln",
        "convnet-d3-w128-none",
    )
    copies: int = 3
    factors: tuple[float, ...] = (0.3, 1.0, 3.0)
    draws: int = 2

    title: ClassVar[str] = "Across architectures"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "home"),
        Score("accuracy/*", "{}"),
        Score("mean", "mean", ranks=True),
        Score("drop", "drop", unit="points", better="lower"),
        Score("rate/*", "learning rate of {}", unit="number", shown=False),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "networks": ["mlp-w16", "convnet-d1-w8-none"],
        "copies": 1,
        "factors": [1.0, 3.0],
        "draws": 1,
    }

    def __post_init__(self) -> None:
        recipe(self.recipe)
        Search(self.factors, self.draws)
        at_least_one(self, "copies")
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError(f"networks {list(self.networks)} must not be empty or have duplicates")
        if self.network in self.networks:
            raise ValueError(f"networks contains the home network {self.network!r}; leave it out")

    def check(self, train: Examples) -> None:
        """Refuse unknown networks, and images that are too small for a network."""
        for name in (self.network, *self.networks):
            try:
                network(name, train.shape, train.classes)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return accuracies in [0, 1], one per copy, and the learning rates.

        `accuracy`: of the home network; `accuracy/<network>`: of each other network; `mean`: over the others;
        `drop`: `accuracy` minus `mean`; `rate/<network>`; `seconds`: of all trainings.
        """
        names, started = (self.network, *self.networks), perf_counter()
        rates = chosen_rates(
            task, names, recipe(self.recipe), synthetic.ipc, Search(self.factors, self.draws)
        )
        trained = {name: self._fit(name, rates[name], synthetic, task, seed) for name in names}
        seconds = perf_counter() - started
        test = task.test  # the only read, after the last training step
        home, *others = (
            tuple(accuracy(network(name, test.shape, test.classes), copy, test) for copy in copies)
            for name, copies in trained.items()
        )
        means = tuple(sum(copy) / len(copy) for copy in zip(*others, strict=True))
        return Scores(
            {
                "accuracy": home,
                **{f"accuracy/{name}": found for name, found in zip(self.networks, others, strict=True)},
                "mean": means,
                "drop": tuple(own - mean for own, mean in zip(home, means, strict=True)),
                **{f"rate/{name}": (rate,) for name, rate in rates.items()},
                "seconds": (seconds,),
            }
        )

    def _fit(self, name: str, rate: float, synthetic: SyntheticSet, task: Task, seed: int) -> list[Tensor]:
        how, seeds = recipe(self.recipe).with_lr(rate), copy_seeds(seed, self.copies)
        return list(fitted(name, synthetic, how, task.train, seeds=seeds))


EVALUATOR = CrossArchitecture
