"""A learning rate for each network, chosen once for all sets: on the holdout, with random real subsets.

No set under test has a say, so every method's networks get the same rate. The choice depends on names
and on train alone; it is kept in the data folder, where every process finds it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import log

import torch
from torch import Tensor

from suite.core.data import cache
from suite.core.data.cache import Building, Facts, Stream, Tensors
from suite.core.data.tasks import data_folder
from suite.core.limits import at_least_one, check_enough_real
from suite.core.networks.named import network
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples, Task
from suite.core.training.fit import TrainingJob, accuracy, fit_each
from suite.core.training.recipes import Recipe


@dataclass(frozen=True)
class Search:
    """Where to look: the recipe's learning rate times each of `factors`, on `draws` random subsets."""

    factors: tuple[float, ...]
    draws: int

    def __post_init__(self) -> None:
        if not self.factors or min(self.factors) <= 0 or len(set(self.factors)) < len(self.factors):
            raise ValueError(f"factors {list(self.factors)} must be one or more different numbers above 0")
        at_least_one(self, "draws")

    def best(self, accuracies: Tensor) -> float:
        """Return the factor of the best mean over draws (factors, draws); of equals the one nearest to 1."""
        means = accuracies.double().mean(1).tolist()
        ranked = zip(means, self.factors, strict=True)
        return max(ranked, key=lambda pair: (round(pair[0], 6), -abs(log(pair[1]))))[1]


def chosen_rates(
    task: Task, networks: Sequence[str], recipe: Recipe, ipc: int, search: Search
) -> dict[str, float]:
    """Return each network's learning rate under `recipe` for sets of `ipc` images per class.

    That is len(networks) * len(factors) * draws trainings, once per (task, recipe, ipc); none where
    there is one factor to choose from. Under a recipe without a batch size a step takes all of a random
    subset: a minibatch of the set's own would give the set a say. Raises ValueError where a class has
    too few images.
    """
    if len(search.factors) == 1:
        return dict.fromkeys(networks, recipe.lr * search.factors[0])
    digest = _digest(task, recipe, ipc, search)
    found = {name: _measured(task, name, recipe, ipc, search, f"{digest}/{name}") for name in networks}
    return {name: recipe.lr * search.best(accuracies) for name, accuracies in found.items()}


def random_set(train: Examples, ipc: int, rng: torch.Generator) -> SyntheticSet:
    """Return `ipc` random real images of each class, with hard labels; raises ValueError for too many."""
    check_enough_real(train, Budget(ipc))
    chosen = [
        rows[torch.randperm(len(rows), generator=rng)[:ipc].to(rows.device)] for rows in train.by_class()
    ]
    images = train.images[torch.stack(chosen)]
    return SyntheticSet(images, one_hot(train.classes, ipc).to(images))


def _measured(task: Task, name: str, recipe: Recipe, ipc: int, search: Search, key: str) -> Tensor:
    """Return accuracies on the holdout (factors, draws), trained here unless they are kept."""
    shape = len(search.factors), search.draws

    def build() -> Building:
        found = torch.tensor(_accuracies(task, name, recipe, ipc, search))
        return Building({"accuracies": Stream(torch.float32, shape, [found])}, {"network": name})

    def finish(tensors: Tensors, facts: Facts) -> Tensor:
        return tensors["accuracies"]

    stem = f"rate-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    return cache.open_or_build(cache.usable_folder(data_folder()), stem, build, finish)


def _accuracies(task: Task, name: str, recipe: Recipe, ipc: int, search: Search) -> list[list[float]]:
    """Train on random subsets of what is not held out; a draw's subset and start are those of all rates."""
    holdout = task.holdout()
    held, net = holdout.test, network(name, task.train.shape, task.train.classes)
    draws = range(search.draws)
    subsets = [
        random_set(holdout.train, ipc, generator(0, "rate", task.name, ipc, "subset", draw)) for draw in draws
    ]
    seeds = [derive(0, "rate", task.name, name, ipc, draw) for draw in draws]

    trainings = [
        TrainingJob(subsets[draw], recipe.lr * factor, seeds[draw])
        for factor in search.factors
        for draw in draws
    ]
    found = [accuracy(net, parameters, held) for parameters in fit_each(net, trainings, recipe)]
    return [found[start : start + search.draws] for start in range(0, len(found), search.draws)]


def _digest(task: Task, recipe: Recipe, ipc: int, search: Search) -> str:
    """Return the sha256 of all that the choice depends on but the network."""
    how = [task.name, asdict(recipe), ipc, asdict(search), task.train.images.device.type]
    digest = hashlib.sha256(json.dumps(how).encode())
    task.train.hash_into(digest)
    return digest.hexdigest()
