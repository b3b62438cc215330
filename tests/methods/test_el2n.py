"""EL2N: its scores by hand and beside a plain loop, what it keeps, who pays."""

from importlib import import_module

import pytest
import torch

from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.spec import Budget, Examples
from suite.core.training.fit import fit_full
from suite.core.training.recipes import recipe
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.el2n")
EL2N = MODULE.METHOD
SMALL = {"epochs": 2, "networks": 3, "network": "convnet-d1-w4-in"}


def train() -> Examples:
    return few_digits(12)


def test_the_score_is_the_norm_of_the_error() -> None:
    # Probabilities of 3/4 and 1/4: errors of (-1/4, 1/4) and (3/4, -3/4).
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0]]).log()
    found = MODULE.errors(logits, torch.tensor([0, 1]))
    assert found.tolist() == pytest.approx([2**0.5 / 4, 3 * 2**0.5 / 4])


def test_scores_are_means_over_networks_of_seeds_of_their_own() -> None:
    data, method = train(), EL2N(**SMALL)
    net, total = network(method.network, data.shape, 10), torch.zeros(len(data))
    for index in range(3):
        seed = derive(5, "network", index)
        parameters = fit_full(net, data, recipe("dc-300"), 2, seed=seed)
        for row in range(len(data)):
            error = net.logits(parameters, data.images[row : row + 1]).softmax(1)[0]
            error[data.labels[row]] -= 1
            total[row] += error.norm() / 3
    assert torch.allclose(method.scored(data, 5)[0], total, atol=1e-5)
    assert not torch.allclose(method.scored(data, 6)[0], total, atol=1e-3)


@pytest.mark.parametrize("keep", ["hardest", "easiest"])
def test_the_largest_or_smallest_scores_of_each_class_are_kept_in_order(keep: str) -> None:
    data, method = train(), EL2N(**SMALL, keep=keep)
    scores = method.scored(data, 0)[0]
    chosen = torch.stack(method.choose(data, 4, seed=0))
    for label, rows in enumerate(data.by_class()):
        own = scores[rows].sort(descending=keep == "hardest").values[:4]
        assert torch.equal(scores[chosen[label]], own)
        assert (data.labels[chosen[label]] == label).all()
    # A smaller set is the beginning of a larger one.
    assert torch.equal(torch.stack(method.choose(data, 2, seed=0)), chosen[:, :2])


def test_a_mislabelled_image_is_the_hardest_of_its_class() -> None:
    data = few_digits(20)
    labels = data.labels.clone()
    labels[data.by_class()[0][3]] = 1
    wrong = Examples(data.images, labels, 10)
    chosen = EL2N(epochs=20, networks=2, network="convnet-d2-w16-in").choose(wrong, 1, seed=0)
    assert int(chosen[1][0]) == int(data.by_class()[0][3])


def test_the_networks_of_earlier_trials_are_charged() -> None:
    data, method = train(), EL2N(**SMALL)
    first, again = method.start(data, Budget(1), seed=0), method.start(data, Budget(3), seed=0)
    first.step()
    again.step()
    assert first.cached_seconds == 0 < again.cached_seconds


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="keep 'hard' is none of hardest, easiest"):
        EL2N(keep="hard")
    with pytest.raises(ValueError, match="networks 0 must be at least 1"):
        EL2N(networks=0)
