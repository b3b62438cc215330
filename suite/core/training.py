"""Training fresh networks from scratch under a recipe, and their accuracy."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.augment import augmentation
from suite.core.networks import Network
from suite.core.recipes import Recipe
from suite.core.seeding import generator
from suite.core.spec import Examples, Minibatch, SyntheticSet

EVALUATION_BATCH = 500  # images at once; small enough to stay in a CPU's cache


def fit(network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seed: int) -> Tensor:
    """Train one fresh network on a synthetic set; return its parameters (size,).

    The seed gives the initialisation, the order of minibatches and the augmentation.
    """
    images, targets = synthetic.flat()
    if recipe.batch is None:
        order = generator(seed, "order")
        rows = _drawn(synthetic.minibatch, synthetic.classes, synthetic.ipc, order)
    else:
        rows = _epochs(len(images), recipe.batch, generator(seed, "order"))
    return _train(network, images, targets, recipe, rows, seed)


def fit_full(network: Network, train: Examples, recipe: Recipe, epochs: int, *, seed: int) -> Tensor:
    """Train one fresh network on all of `train` for `epochs`; return its parameters (size,).

    The recipe's optimiser, augmentation and decay at half, over `epochs` instead of its own length,
    which is meant for a few images; batches of 256 where the recipe has none.
    """
    batch = recipe.batch or 256
    decay = None if recipe.decay_at is None else epochs // 2 + 1
    full = replace(recipe, epochs=epochs, decay_at=decay, batch=batch)
    rows = _epochs(len(train), batch, generator(seed, "order"))
    return _train(network, train.images, train.labels, full, rows, seed)


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


def _train(
    network: Network, images: Tensor, targets: Tensor, recipe: Recipe, rows: Iterator[Tensor], seed: int
) -> Tensor:
    """Run the recipe; targets are classes (n,) or soft targets (n, classes)."""
    augment, draw = augmentation(recipe.augment), generator(seed, "augmentation")
    start = network.initialise(generator(seed, "initialisation"), images.device)
    rule = recipe.update_rule(recipe.lr)
    state = rule.start(start)

    for step, rate in enumerate(recipe.rates(len(images)), 1):
        batch = next(rows).to(images.device)
        seen = augment.apply(images[batch], augment.draw(len(batch), draw))
        leaf = state[0].requires_grad_()
        loss = cross_entropy(network.logits(leaf, seen), targets[batch])
        (gradient,) = torch.autograd.grad(loss, leaf)
        with torch.no_grad():
            state = rule.update(state, gradient, rate, rule.corrections(step))
    return state[0]


def _epochs(count: int, batch: int, draw: torch.Generator) -> Iterator[Tensor]:
    """Yield shuffled batches of row numbers for ever; an epoch's last may be smaller."""
    while True:
        yield from torch.randperm(count, generator=draw).split(batch)


def _drawn(minibatch: Minibatch, classes: int, ipc: int, draw: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield minibatch.draw(classes, ipc, draw)
