"""Several trainings for one synthetic set, scored with one read of the test split."""

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter

from torch import Tensor

from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.cached import labeller
from suite.core.training.fit import accuracy, copy_seeds, fit_copies
from suite.core.training.recipes import Recipe


def fitted(
    name: str, synthetic: SyntheticSet, recipe: Recipe, train: Examples, *, seeds: Sequence[int]
) -> Iterator[Tensor]:
    """Return the parameters (size,) of a network called `name` for each seed, trained on a set one by one.

    recipe: as it is for the data of `train`, on which its teacher, if it has one, has trained before that.
    """
    net, own = network(name, train.shape, train.classes), recipe.for_data(train)
    label = labeller(own, name, train, synthetic.teachers)
    return fit_copies(net, synthetic, own, seeds=seeds, label=label)


def retrain(
    name: str, trainings: Mapping[str, tuple[SyntheticSet, Recipe]], task: Task, *, copies: int, seed: int
) -> Scores:
    """Run each training for `copies` networks called `name`; return their test accuracies in [0, 1].

    trainings: a set, and the recipe for fresh networks on it, by the name of the score.
    Copy k has one seed in all trainings. Trainings with the same set and an
    equal recipe share their networks. `seconds` has one value per trained network.
    """
    net = network(name, task.train.shape, task.train.classes)
    trained: dict[tuple[int, Recipe], list[Tensor]] = {}
    seconds: list[float] = []
    for synthetic, recipe in trainings.values():
        done = trained.setdefault((id(synthetic), recipe), [])
        if done:
            continue
        made = fitted(name, synthetic, recipe, task.train, seeds=copy_seeds(seed, copies))
        started = perf_counter()
        for parameters in made:
            done.append(parameters)
            seconds.append(perf_counter() - started)
            started = perf_counter()
    test = task.test  # the only read, after all training
    values = {key: tuple(accuracy(net, each, test) for each in done) for key, done in trained.items()}
    scores = {label: values[id(synthetic), recipe] for label, (synthetic, recipe) in trainings.items()}
    return Scores({**scores, "seconds": tuple(seconds)})
