"""Training fresh networks from scratch under a recipe, and their accuracy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from suite.core.augment import augmentation
from suite.core.inner import classification, pays, steps_of
from suite.core.networks import Network, Shape
from suite.core.recipes import Recipe
from suite.core.seeding import generator
from suite.core.spec import Examples, Minibatch, SyntheticSet
from suite.core.steps import Steps

EVALUATION_BATCH = 500  # images at once; small enough to stay in a CPU's cache


def fit(network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seed: int) -> Tensor:
    """Train one fresh network on a synthetic set; return its parameters (size,)."""
    return next(fit_copies(network, synthetic, recipe, seeds=[seed]))


def fit_copies(
    network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seeds: Sequence[int]
) -> Iterator[Tensor]:
    """Train a fresh network on a synthetic set for each seed; yield their parameters (size,) in turn.

    A seed gives the initialisation, the order of minibatches and the augmentation, whatever is
    trained beside it. They share one compiled step where all their work is worth compiling it.
    """
    images, targets = synthetic.flat()
    rates, minibatch = recipe.rates(len(images)), synthetic.minibatch
    size = len(images) if recipe.batch is None else min(recipe.batch, len(images))
    steps = _steps(network, recipe, batch=size, steps=len(seeds) * len(rates))
    for seed in seeds:
        order = generator(seed, "order")
        if recipe.batch is None:
            rows = _drawn(minibatch, synthetic.classes, synthetic.ipc, order)
        else:
            rows = _epochs(len(images), recipe.batch, order)
        yield _train(steps, network, images, targets, recipe, rows, seed)


def fit_full(network: Network, train: Examples, recipe: Recipe, epochs: int, *, seed: int) -> Tensor:
    """Train one fresh network on all of `train` for `epochs`; return its parameters (size,).

    The recipe's optimiser, augmentation and decay at half, over `epochs` instead of its own length,
    which is meant for a few images; batches of 256 where the recipe has none.
    """
    batch = recipe.batch or 256
    decay = None if recipe.decay_at is None else epochs // 2 + 1
    full = replace(recipe, epochs=epochs, decay_at=decay, batch=batch)
    rows = _epochs(len(train), batch, generator(seed, "order"))
    steps = _steps(network, full, batch=batch, steps=len(full.rates(len(train))))
    return _train(steps, network, train.images, train.labels, full, rows, seed)


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
def in_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return `function` of images (n, …), a few hundred at once, without gradients."""
    return torch.cat([function(batch) for batch in images.split(EVALUATION_BATCH)])


def _steps(network: Network, recipe: Recipe, *, batch: int, steps: int) -> Steps:
    """Return the step of training, compiled where so many of them are worth it."""
    if pays(network, batch=batch, steps=steps):
        # A step takes its rate as it comes, so that trainings at several rates share what is compiled.
        return _compiled(network.name, network.shape, network.classes, replace(recipe, lr=1.0))
    return steps_of(network, recipe.update_rule(recipe.lr), objective=recipe.objective)


@lru_cache(maxsize=8)
def _compiled(name: str, shape: Shape, classes: int, recipe: Recipe) -> Steps:
    """Return compiled steps; the trainings of this process share them."""
    rule = recipe.update_rule(recipe.lr)
    return classification(
        name,
        shape,
        classes,
        optimiser=rule,
        precision="float32",
        compiled=True,
        objective=recipe.objective,
    )


@torch.no_grad()
def _train(
    steps: Steps,
    network: Network,
    images: Tensor,
    targets: Tensor,
    recipe: Recipe,
    rows: Iterator[Tensor],
    seed: int,
) -> Tensor:
    """Run the recipe; targets are classes (n,) or soft targets (n, classes)."""
    augment, draw, rule = augmentation(recipe.augment), generator(seed, "augmentation"), steps.optimiser
    start = network.initialise(generator(seed, "initialisation"), images.device)
    state, rates = rule.start(start), recipe.rates(len(images))
    corrections = [rule.corrections(step) for step in range(1, len(rates) + 1)]
    known = torch.tensor(rates), torch.tensor(corrections, dtype=start.dtype)
    for rate, correction in zip(*(values.to(start) for values in known), strict=True):
        batch = next(rows).to(images.device)
        seen = augment.apply(images[batch], augment.draw(len(batch), draw))
        (state,) = steps.forward(state, rate, correction, seen, targets[batch])
    return state[0]


def _epochs(count: int, batch: int, draw: torch.Generator) -> Iterator[Tensor]:
    """Yield shuffled batches of row numbers for ever; an epoch's last may be smaller."""
    while True:
        yield from torch.randperm(count, generator=draw).split(batch)


def _drawn(minibatch: Minibatch, classes: int, ipc: int, draw: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield minibatch.draw(classes, ipc, draw)
