"""Several trainings for one synthetic set, scored with one read of the test split."""

from collections.abc import Mapping
from time import perf_counter

from torch import Tensor

from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Scores, Task
from suite.core.training.fit import accuracy, fit_copies
from suite.core.training.recipes import Recipe

Training = tuple[SyntheticSet, Recipe]
"""A set, and the recipe for fresh networks on it."""


def retrain(name: str, trainings: Mapping[str, Training], task: Task, *, copies: int, seed: int) -> Scores:
    """Run each training for `copies` networks named `name`; return their test accuracies in [0, 1].

    Copy k has the same seed in all trainings and in the evaluator `retrain`. Trainings with the same set and
    recipe share their networks. `seconds` has one value per trained network.
    """
    net = network(name, task.train.shape, task.train.classes)
    seeds = [derive(seed, "copy", copy) for copy in range(copies)]
    trained: dict[tuple[int, Recipe], list[Tensor]] = {}
    seconds: list[float] = []
    for synthetic, recipe in trainings.values():
        done = trained.setdefault((id(synthetic), recipe), [])
        started = perf_counter()
        for parameters in () if done else fit_copies(net, synthetic, recipe, seeds=seeds):
            done.append(parameters)
            seconds.append(perf_counter() - started)
            started = perf_counter()
    test = task.test  # the only read, after all training
    values = {key: tuple(accuracy(net, each, test) for each in done) for key, done in trained.items()}
    scores = {label: values[id(synthetic), recipe] for label, (synthetic, recipe) in trainings.items()}
    return Scores({**scores, "seconds": tuple(seconds)})
