"""Training from scratch: one step by hand, seeds, minibatches, accuracy."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.networks import network
from suite.core.recipes import RECIPES, Recipe
from suite.core.seeding import generator
from suite.core.spec import Examples, Minibatch, SyntheticSet, one_hot
from suite.core.training import accuracy, fit, fit_full

NET = network("mlp-w4", (1, 2, 2), 2)
STEP = dataclasses.replace(RECIPES["dc"], name="test", epochs=1, decay_at=None, weight_decay=0.0)


def synthetic(ipc: int = 1, labels: torch.Tensor | None = None) -> SyntheticSet:
    images = torch.randn(2, ipc, 1, 2, 2, generator=generator(0))
    return SyntheticSet(images, one_hot(2, ipc) if labels is None else labels)


@pytest.mark.parametrize("soft", [False, True])
def test_one_step_is_start_minus_rate_times_gradient(soft: bool) -> None:
    labels = torch.tensor([[[0.7, 0.3]], [[0.2, 1.1]]]) if soft else None
    made = synthetic(labels=labels)
    start = NET.initialise(generator(5, "initialisation")).requires_grad_()
    images, targets = made.flat()
    (gradient,) = torch.autograd.grad(cross_entropy(NET.logits(start, images), targets), start)
    expected = (start - 0.01 * gradient).detach()
    assert torch.allclose(fit(NET, made, STEP, seed=5), expected, atol=1e-7)


@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_repeats_its_bits(name: str) -> None:
    recipe = RECIPES[name]
    short = dataclasses.replace(recipe, epochs=min(recipe.epochs, 8), steps=min(recipe.steps, 8))
    digits = SyntheticSet(torch.randn(10, 2, 1, 8, 8, generator=generator(0)), one_hot(10, 2))
    net = network("convnet-d1-w4-in", (1, 8, 8), 10)
    torch.manual_seed(0)
    first = fit(net, digits, short, seed=0)
    torch.manual_seed(1)
    assert torch.equal(first, fit(net, digits, short, seed=0))
    assert not torch.equal(first, fit(net, digits, short, seed=1))


def test_training_learns() -> None:
    train = Examples(*(torch.cat(synthetic(8).flat()[:1]), torch.tensor([0] * 8 + [1] * 8)), classes=2)
    fitted = fit(NET, synthetic(8), dataclasses.replace(RECIPES["rat-bptt"], augment="none", lr=0.05), seed=0)
    assert accuracy(NET, fitted, train) == 1.0


def test_without_a_batch_size_the_sets_own_minibatches_are_drawn() -> None:
    recipe = Recipe("test", "", "sgd", 0.1, "none", steps=1)
    made = dataclasses.replace(synthetic(4), minibatch=Minibatch(per_class=1))
    found = fit(NET, made, recipe, seed=3)
    start = NET.initialise(generator(3, "initialisation")).requires_grad_()
    rows = Minibatch(per_class=1).draw(2, 4, generator(3, "order"))
    images, targets = made.flat()
    (gradient,) = torch.autograd.grad(cross_entropy(NET.logits(start, images[rows]), targets[rows]), start)
    assert torch.allclose(found, (start - 0.1 * gradient).detach(), atol=1e-7)


def test_full_data_are_shuffled_epochs_with_decay_at_half() -> None:
    train = Examples(torch.randn(300, 1, 2, 2, generator=generator(0)), torch.arange(300) % 2, 2)
    found = fit_full(NET, train, RECIPES["dc"], 3, seed=7)
    # By torch: 3 epochs of 256 + 44 images; 3 // 2 + 1 = 2 epochs at .01, then .001.
    leaf = NET.initialise(generator(7, "initialisation")).requires_grad_()
    optimiser = torch.optim.SGD([leaf], lr=0.01, momentum=0.9, weight_decay=5e-4)
    order = generator(7, "order")
    for epoch in range(3):
        optimiser.param_groups[0]["lr"] = 0.01 if epoch < 2 else 0.001
        for rows in torch.randperm(300, generator=order).split(256):
            optimiser.zero_grad()
            cross_entropy(NET.logits(leaf, train.images[rows]), train.labels[rows]).backward()
            optimiser.step()
    assert torch.allclose(found, leaf.detach(), atol=1e-6)


def test_accuracy_counts_hits_over_several_batches() -> None:
    # Weights that copy two pixels to the logits: an image is right where its label's pixel is larger.
    net = network("mlp-w2", (1, 1, 2), 2)
    identity = torch.eye(2)
    parameters = torch.cat([*(torch.cat([identity.flatten(), torch.zeros(2)]) for _ in range(3))])
    images = torch.tensor([[0.0, 1.0]]).expand(1200, 2).reshape(-1, 1, 1, 2)
    labels = torch.tensor([1] * 900 + [0] * 300)
    assert accuracy(net, parameters, Examples(images, labels, 2)) == 0.75
