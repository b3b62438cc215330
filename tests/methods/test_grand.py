"""GraNd: the norms of gradients by hand and beside a plain loop, at initialisation and after training."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network, network
from suite.core.seeding import derive, generator
from suite.core.spec import Budget, Examples
from suite.core.training.fit import fit_full
from suite.core.training.recipes import recipe
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.grand")
GRAND = MODULE.METHOD
SMALL = {"networks": 2, "network": "convnet-d1-w4-in"}


def train() -> Examples:
    return few_digits(6)


def plain(net: Network, parameters: Tensor, data: Examples) -> Tensor:
    """Return the norms by one backward pass for each image."""
    norms = []
    for image, label in zip(data.images, data.labels, strict=True):
        own = parameters.clone().requires_grad_()
        loss = cross_entropy(net.logits(own, image[None]), label[None])
        norms.append(torch.autograd.grad(loss, own)[0].norm())
    return torch.stack(norms)


def test_the_norm_of_a_gradient_by_hand() -> None:
    # Logits w1 x and w2 x at w = 0: probabilities of 1/2, gradients of (±x/2, ∓x/2).
    layer = Layer(lambda own, x: x.flatten(1) * own[0], ((2,),))
    data = Examples(torch.tensor([4.0, -6.0]).view(2, 1, 1, 1), torch.tensor([0, 1]), 2)
    found = MODULE.gradient_norms(Network("one", (1, 1, 1), 2, (layer,)), torch.zeros(2), data)
    assert found.tolist() == pytest.approx([2 * 2**0.5, 3 * 2**0.5])


@pytest.mark.parametrize("limit", [1, 2**28])
def test_every_chunk_gives_what_one_image_at_a_time_gives(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "_BYTES", limit)
    data = train()
    net = network("convnet-d2-w4-in", data.shape, 10)
    parameters = net.initialise(generator(0))
    found = MODULE.gradient_norms(net, parameters, data)
    assert torch.allclose(found, plain(net, parameters, data), rtol=1e-4)


@pytest.mark.parametrize("epochs", [0, 2])
def test_scores_are_means_over_fresh_or_trained_networks(epochs: int) -> None:
    data, method = train(), GRAND(**SMALL, epochs=epochs)
    net, total = network(method.network, data.shape, 10), torch.zeros(len(data))
    for seed in (derive(3, "network", index) for index in range(2)):
        parameters = net.initialise(generator(seed, "initialisation"))
        if epochs:
            parameters = fit_full(net, data, recipe("dc-300"), epochs, seed=seed)
        total += plain(net, parameters, data) / 2
    assert torch.allclose(method.scored(data, 3)[0], total, rtol=1e-4)


def test_scores_are_computed_once_and_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    data, method = train(), GRAND(**SMALL)
    first = method.select(data, 1, seed=0)
    monkeypatch.setattr(MODULE, "gradient_norms", None)
    again = method.select(data, 3, seed=0)
    assert first[1] == 0 < again[1]
    assert [int(rows[0]) for rows in first[0]] == [int(rows[0]) for rows in again[0]]
    with pytest.raises(TypeError):
        replace(method, networks=1).select(data, 1, seed=0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="epochs -1 must not be negative"):
        GRAND(epochs=-1)
    with pytest.raises(ValueError, match="has batch norm, and untrained networks have no running statistics"):
        GRAND(network="convnet-d1-w4-bn").check(train(), Budget(1))
