"""Training fresh networks from scratch under a recipe, and their accuracy."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from suite.core.engine.classification import inner_problem, worth_compiling
from suite.core.engine.inner_problem import InnerProblem
from suite.core.examples import shuffled
from suite.core.networks.named import Network, Shape, network
from suite.core.precision import check_precision, multiplying
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Examples
from suite.core.training import stacks
from suite.core.training.augment import augmentation
from suite.core.training.recipes import Recipe
from suite.core.training.stacks import Run, targets_of

EVALUATION_BATCH = 500  # images at once; small enough to stay in a CPU's cache

Watch = Callable[[Tensor, Tensor], None]
"""Sees the rows of a step's batch, and the parameters (size,) before the step."""


def fit(network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seed: int) -> Tensor:
    """Train one fresh network on a synthetic set; return its parameters (size,)."""
    return next(fit_copies(network, synthetic, recipe, seeds=[seed]))


def fit_copies(
    network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seeds: Sequence[int]
) -> Iterator[Tensor]:
    """Train a fresh network on a synthetic set for each seed; yield their parameters (size,) in turn.

    A seed gives the initialisation, the order of minibatches and the augmentation, whatever is
    trained beside it.
    """
    return fit_each(
        network, [TrainingJob(synthetic, recipe.on(synthetic).lr, seed) for seed in seeds], recipe
    )


@dataclass(frozen=True)
class TrainingJob:
    """A fresh network to be trained: on which set, at which learning rate, from which seed."""

    synthetic: SyntheticSet
    lr: float
    seed: int


def fit_each(network: Network, trainings: Sequence[TrainingJob], recipe: Recipe) -> Iterator[Tensor]:
    """Run trainings under one recipe, on sets of one size; yield their parameters (size,) in turn.

    They share one compiled step where all their work is worth compiling it. On a GPU as many as its
    memory holds are trained at once.
    """
    runs = [_run(one, recipe) for one in trainings]
    count = len(runs[0].images)
    batch = count if recipe.batch is None else min(recipe.batch, count)
    many, device = sum(len(run.rates) for run in runs), runs[0].images.device
    steps = _steps(network, recipe, batch=batch, steps=many, device=device)
    for group in _groups(runs, stacks.together(steps, network, batch, device)):
        if len(group) == 1:
            yield _last(_states(steps, network, recipe, group[0]))
        else:
            yield from stacks.train(steps, network, recipe, group)


def _groups(runs: Sequence[Run], together: int) -> Iterator[Sequence[Run]]:
    """Yield the runs in stacks of one size, for which a step is compiled once, and of no more than fit."""
    size = -(-len(runs) // -(-len(runs) // together))
    yield from (runs[start : start + size] for start in range(0, len(runs), size))


def fit_full(
    network: Network,
    train: Examples,
    recipe: Recipe,
    epochs: int,
    *,
    seed: int,
    watch: Watch | None = None,
) -> Tensor:
    """Train one fresh network on all of `train` for `epochs`; return its parameters (size,).

    The recipe's optimiser, augmentation and decay at half, over `epochs` instead of its own length,
    which is meant for a few images; batches of 256 where the recipe has none.
    """
    batch = recipe.batch or 256
    decay = None if recipe.decay_at is None else epochs // 2 + 1
    full = replace(recipe, epochs=epochs, decay_at=decay, batch=batch)
    return _last(fit_epochs(network, train, full, seed=seed, watch=watch))


def fit_epochs(
    network: Network, train: Examples, recipe: Recipe, *, seed: int, watch: Watch | None = None
) -> Iterator[Tensor]:
    """Train one fresh network on all of `train`; yield its parameters (size,) before and after epochs."""
    run = _on_all(train, recipe, seed)
    states = _states(_steps_on_all(network, train, recipe), network, recipe, run, watch)
    yield from islice(states, 0, None, _epoch(train, recipe))


def fit_trajectories(
    network: Network, train: Examples, recipe: Recipe, *, seeds: Sequence[int]
) -> list[Tensor]:
    """Train a fresh network on all of `train` for each seed, all at once; return their paths on the CPU.

    A path (epochs + 1, size) has the parameters before and after each epoch.
    """
    if len(seeds) == 1:
        return [torch.stack([each.cpu() for each in fit_epochs(network, train, recipe, seed=seeds[0])])]
    runs = [_on_all(train, recipe, seed) for seed in seeds]
    states = stacks.states(_steps_on_all(network, train, recipe), network, recipe, runs)
    return list(torch.stack([each.cpu() for each in islice(states, 0, None, _epoch(train, recipe))], 1))


def at_once(network: Network, train: Examples, recipe: Recipe) -> int:
    """Return how many networks the device has room to train on all of `train` at once: one on a CPU."""
    steps, batch = _steps_on_all(network, train, recipe), recipe.batch or len(train)
    return stacks.together(steps, network, batch, train.images.device)


def accuracy(network: Network, parameters: Tensor, examples: Examples) -> float:
    """Return the top-1 accuracy in [0, 1]."""
    hits = torch.zeros((), device=examples.labels.device, dtype=torch.int64)
    batches = zip(
        examples.images.split(EVALUATION_BATCH), examples.labels.split(EVALUATION_BATCH), strict=True
    )
    with torch.no_grad():
        for images, labels in batches:
            hits += (network.logits(parameters, images).argmax(1) == labels).sum()
    return int(hits) / len(examples)


@torch.no_grad()
def map_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return `function` of images (n, …), a few hundred at once, without gradients."""
    return torch.cat([function(batch) for batch in images.split(EVALUATION_BATCH)])


def _steps(network: Network, recipe: Recipe, *, batch: int, steps: int, device: torch.device) -> InnerProblem:
    """Return the step of training, compiled where so many of them are worth it."""
    compiled = worth_compiling(network, batch=batch, steps=steps, device=device)
    if not compiled and recipe.precision == "float32":
        return inner_problem(network, recipe.update_rule(recipe.lr), objective=recipe.objective)
    # A step takes its rate as it comes, so that trainings at several rates share what is compiled.
    return _step(network.name, network.shape, network.classes, replace(recipe, lr=1.0), compiled)


@lru_cache(maxsize=8)
def _step(name: str, shape: Shape, classes: int, recipe: Recipe, compiled: bool) -> InnerProblem:
    """Return the step of a network built anew; trainings of this process share what is compiled of it."""
    return inner_problem(
        network(name, shape, classes),
        recipe.update_rule(recipe.lr),
        compiled=compiled,
        precision=recipe.precision,
        objective=recipe.objective,
    )


def _steps_on_all(network: Network, train: Examples, recipe: Recipe) -> InnerProblem:
    batch, steps = recipe.batch or len(train), len(recipe.rates(len(train)))
    return _steps(network, recipe, batch=batch, steps=steps, device=train.images.device)


def _on_all(train: Examples, recipe: Recipe, seed: int) -> Run:
    check_precision(recipe.precision, train.images.device)
    rows = shuffled(len(train), recipe.batch or len(train), generator(seed, "order"))
    return Run(train.images, train.labels, rows, recipe.rates(len(train)), seed)


def _epoch(train: Examples, recipe: Recipe) -> int:
    """Return the steps of an epoch."""
    return -(-len(train) // (recipe.batch or len(train)))


def _run(training: TrainingJob, recipe: Recipe) -> Run:
    """Return a training as images, batches and rates."""
    synthetic, order = training.synthetic, generator(training.seed, "order")
    images, targets = synthetic.flat()
    check_precision(recipe.precision, images.device)
    if recipe.batch is None:
        rows = _drawn(synthetic.minibatch, synthetic.classes, synthetic.ipc, order)
    else:
        rows = shuffled(len(images), recipe.batch, order)
    return Run(images, targets, rows, replace(recipe, lr=training.lr).rates(len(images)), training.seed)


def _last(states: Iterable[Tensor]) -> Tensor:
    (parameters,) = deque(states, maxlen=1)
    return parameters


@torch.no_grad()
def _states(
    steps: InnerProblem, network: Network, recipe: Recipe, run: Run, watch: Watch | None = None
) -> Iterator[Tensor]:
    """Yield parameters before the recipe and after each step; targets: classes (n,) or soft (n, classes)."""
    augment = augmentation(recipe.augment, mixing=True)
    rng, rule = generator(run.seed, "augmentation"), steps.optimiser
    targets = targets_of(run, augment, network.classes)
    start = network.initialise(generator(run.seed, "initialisation"), run.images.device)
    state, rates = rule.start(start), run.rates
    corrections = [rule.corrections(step) for step in range(1, len(rates) + 1)]
    known = torch.tensor(rates), torch.tensor(corrections, dtype=start.dtype)
    yield start
    for rate, correction in zip(*(values.to(start) for values in known), strict=True):
        batch = next(run.rows).to(run.images.device)
        if watch is not None:
            watch(batch, state[0])
        drawn = augment.sample(len(batch), rng)
        wanted = augment.mix(targets[batch], drawn, network.shape[1:])
        seen = augment.apply(run.images[batch], drawn)
        with multiplying(recipe.precision):
            (state,) = steps.forward(state, rate, correction, seen, wanted)
        yield state[0]


def _drawn(minibatch: Minibatch, classes: int, ipc: int, rng: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield minibatch.sample(classes, ipc, rng)
