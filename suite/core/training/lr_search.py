"""Choose one learning rate per network for all sets, on the holdout with random real subsets.

The choice does not use the set under test, so all methods have the same rate. It depends only on names and
on train. It is kept in the data folder and shared by all processes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import log

import torch
from torch import Tensor

from suite.core.execution.transfer import send
from suite.core.limits import at_least_one, check_enough_real
from suite.core.networks.named import network
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples, Task
from suite.core.training.cached import cached_training, labeller
from suite.core.training.fit import accuracy, fit_each
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import Recipe


@dataclass(frozen=True)
class Search:
    """The candidates: the recipe's learning rate times each of `factors`, tried on `draws` random subsets."""

    factors: tuple[float, ...]
    draws: int

    def __post_init__(self) -> None:
        if not self.factors or min(self.factors) <= 0 or len(set(self.factors)) < len(self.factors):
            raise ValueError(f"factors {list(self.factors)} must be one or more different numbers above 0")
        at_least_one(self, "draws")

    def best(self, accuracies: Tensor) -> float:
        """Return the factor with the best mean accuracy; in a tie, the factor nearest to 1.

        accuracies: (factors, draws).
        """
        means = accuracies.double().mean(1).tolist()
        ranked = zip(means, self.factors, strict=True)
        return max(ranked, key=lambda pair: (round(pair[0], 6), -abs(log(pair[1]))))[1]


def chosen_rates(
    task: Task, networks: Sequence[str], recipe: Recipe, ipc: int, search: Search
) -> dict[str, float]:
    """Return each network's learning rate under `recipe` for sets of `ipc` images per class.

    This takes len(networks) * len(factors) * draws trainings, once per (task, recipe, ipc); none for a single
    factor. Under a recipe without a batch size, a step takes all of a random subset, since the minibatch of
    the set under test must not affect the choice. Raises ValueError if a class has too few images.
    """
    if len(search.factors) == 1:
        return dict.fromkeys(networks, recipe.lr * search.factors[0])
    return {name: recipe.lr * search.best(_measured(task, name, recipe, ipc, search)) for name in networks}


def random_set(train: Examples, ipc: int, rng: torch.Generator) -> SyntheticSet:
    """Return `ipc` random real images of each class, with hard labels; raises ValueError for too many."""
    check_enough_real(train, Budget(ipc))
    chosen = [rows[torch.randperm(len(rows), generator=rng)[:ipc]] for rows in train.rows_by_class()]
    (rows,) = send([torch.stack(chosen)], train.labels.device)
    return SyntheticSet.with_hard_labels(train.images[rows])


def _measured(task: Task, name: str, recipe: Recipe, ipc: int, search: Search) -> Tensor:
    """Return accuracies on the holdout (factors, draws)."""
    recipe = recipe.for_data(task.train)
    how = [task.name, name, asdict(recipe), ipc, asdict(search)]
    return cached_training("rate", task.train, how, lambda: _accuracies(task, name, recipe, ipc, search))[0]


def _accuracies(task: Task, name: str, recipe: Recipe, ipc: int, search: Search) -> Tensor:
    """Train on random subsets of the holdout's train; all rates of a draw share subset and initialisation."""
    holdout = task.holdout()
    held, net = holdout.test, network(name, task.train.shape, task.train.classes)
    draws = range(search.draws)
    subsets = [
        random_set(holdout.train, ipc, generator(0, "rate", task.name, ipc, "subset", draw)) for draw in draws
    ]
    seeds = [derive(0, "rate", task.name, name, ipc, draw) for draw in draws]
    label = labeller(recipe, name, holdout.train, ())
    jobs = [
        TrainingJob.on_set(subsets[draw], recipe.with_lr(recipe.lr * factor), seeds[draw], label)
        for factor in search.factors
        for draw in draws
    ]
    found = [accuracy(net, parameters, held) for parameters in fit_each(net, jobs)]
    return torch.tensor(found).view(len(search.factors), search.draws)
