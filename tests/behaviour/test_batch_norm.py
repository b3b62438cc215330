"""Running statistics of networks with batch norm, against torch's layers."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Examples
from suite.core.training.fit import fit_each, fit_trajectories
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import Recipe

RECIPE = Recipe("test", "", "sgd", 0.1, "none", epochs=3, batch=8)


def batch_normed() -> nn.Sequential:
    """`convnet-d1-w4-bn` for 1x4x4 images and two classes; no bias before a norm."""
    block = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)
    return nn.Sequential(*block, nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize("at_once", [1, 2])
def test_batch_norms_running_statistics_are_torchs(at_once: int) -> None:
    net, module = network("convnet-d1-w4-bn", (1, 4, 4), 2), batch_normed()
    data = Examples(torch.randn(24, 1, 4, 4, generator=generator(0)) + 1, torch.arange(24) % 2, 2)
    jobs = [TrainingJob.on_examples(data, RECIPE, seed) for seed in (5, 6)]
    found = list(fit_each(net, jobs, at_once=at_once))[1]
    vector_to_parameters(net.initialise(generator(6, "initialisation")), module.parameters())
    rule = torch.optim.SGD(module.parameters(), lr=0.1)
    for rows in jobs[1].rows():
        rule.zero_grad()
        cross_entropy(module(data.images[rows]), data.labels[rows]).backward()
        rule.step()
    norm = module[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    expected = torch.cat(
        [parameters_to_vector(module.parameters()).detach(), norm.running_mean, norm.running_var]
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        logits = module.eval()(data.images[:1])  # one image: it is not normalised by its batch
    torch.testing.assert_close(net.logits(found, data.images[:1]), logits, atol=1e-5, rtol=1e-5)


def test_trajectories_have_no_running_statistics() -> None:
    net = network("convnet-d1-w4-bn", (1, 4, 4), 2)
    train = Examples(torch.randn(10, 1, 4, 4, generator=generator(0)), torch.arange(10) % 2, 2)
    (found,) = fit_trajectories(net, train, RECIPE, seeds=[0])
    assert found.shape == (4, net.size)
