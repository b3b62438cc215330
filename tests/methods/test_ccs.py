"""CCS: margins, strata and shares by hand, the cutoff, and what is left at tiny sizes."""

from importlib import import_module

import pytest
import torch

from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training.fit import fit_full
from suite.core.training.recipes import recipe
from suite.plugins.registry import published
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.ccs")
CCS = MODULE.METHOD


def train() -> Examples:
    return few_digits(20)


def test_the_margin_is_to_the_most_likely_other_class() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]).log()
    found = MODULE.margins(logits, torch.tensor([0, 1, 2]))
    assert found.tolist() == pytest.approx([0.2, -0.2, 0.4])


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        # 5 // 3 = 1 of the smallest, then 4 // 2 = 2 of the next, then the 2 that are left.
        ([5, 1, 4], 5, [2, 1, 2]),
        # 1 // 3 = 0 and 1 // 2 = 0 of the smaller ones; the one that is left is of the largest.
        ([3, 0, 7], 1, [0, 0, 1]),
        ([3, 0, 7], 2, [1, 0, 1]),
        ([3, 0, 7], 10, [3, 0, 7]),
        # Of equal strata, the last ones get what is left.
        ([2, 2, 2], 4, [1, 1, 2]),
    ],
)
def test_what_small_strata_lack_goes_to_larger_ones(
    sizes: list[int], count: int, expected: list[int]
) -> None:
    assert MODULE.shared(torch.tensor(sizes), count) == expected


def test_strata_have_equal_widths_and_images_are_drawn_from_each() -> None:
    # Strata of a width of 1: three scores from 0 to 1, one from 1 to 2, two from 2 to 3 with the largest.
    scores = torch.tensor([0.0, 0.9, 1.5, 0.2, 2.1, 3.0])
    seen = [MODULE.stratified(scores, 3, 3, generator(seed)).tolist() for seed in range(30)]
    assert all(rows[1] == 2 and rows[0] in (0, 1, 3) and rows[2] in (4, 5) for rows in seen)
    assert {rows[0] for rows in seen} == {0, 1, 3} and {rows[2] for rows in seen} == {4, 5}
    assert sorted(MODULE.stratified(scores, 6, 3, generator(0)).tolist()) == list(range(6))


def test_equal_scores_are_one_stratum() -> None:
    assert len(set(MODULE.stratified(torch.ones(9), 5, 50, generator(0)).tolist())) == 5


def test_at_one_image_it_is_of_the_fullest_stratum() -> None:
    scores = torch.cat([torch.linspace(0, 1, 11), torch.full((9,), 0.5)])
    drawn = {int(MODULE.stratified(scores, 1, 10, generator(seed))[0]) for seed in range(60)}
    assert drawn == {5, *range(11, 20)}


def test_areas_are_sums_over_epochs_of_margins_before_each_step() -> None:
    data, method = train(), CCS(epochs=3, network="convnet-d1-w4-in")
    # All 200 images are one batch: three steps, whose first network is fresh.
    net, total = network(method.network, data.shape, 10), torch.zeros(len(data))
    states = [net.initialise(generator(0, "initialisation"))]
    states += [fit_full(net, data, recipe("dc-300"), epochs, seed=0) for epochs in (1, 2)]
    for parameters in states:
        probabilities = net.logits(parameters, data.images).softmax(1)
        for row, label in enumerate(data.labels.tolist()):
            other = max(float(p) for place, p in enumerate(probabilities[row]) if place != label)
            total[row] += float(probabilities[row, label]) - other
    assert torch.allclose(method._areas(data, 0), total, atol=1e-5)


def test_the_smallest_areas_of_each_class_are_left_out() -> None:
    data, method = train(), CCS(epochs=2, cutoff=0.5, network="convnet-d1-w4-in")
    areas = method._areas(data, 0)
    chosen = method.choose(data, 10, seed=0)
    for label, rows in enumerate(data.by_class()):
        assert sorted(chosen[label].tolist()) == sorted(rows[areas[rows].argsort()[10:]].tolist())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"cutoff 0\.5 leaves 10 of 20 images of the smallest class, fewer than"
    ):
        CCS(cutoff=0.5).check(train(), Budget(11))
    CCS(cutoff=0.5, network="convnet-d1-w4-in").check(train(), Budget(10))
    for cutoff in (-0.1, 1.0):
        with pytest.raises(ValueError, match="must be at least 0 and below 1"):
            CCS(cutoff=cutoff)
    with pytest.raises(ValueError, match="strata 0 must be at least 1"):
        CCS(strata=0)


def test_the_papers_cutoffs() -> None:
    assert published(CCS, "cifar10", 500) == {"cutoff": 0.3, "epochs": 200}
    assert published(CCS, "cifar10", 10) == {} and CCS().cutoff == 0.3
