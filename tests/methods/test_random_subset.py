"""Random subset: seeded, nested, without favourites."""

from importlib import import_module

import torch

from suite.core.spec import Examples
from tests.support.small_data import few_digits

RANDOM = import_module("suite.plugins.methods.random_subset").METHOD


def train() -> Examples:
    return few_digits(20)


def test_random_subsets_are_seeded_nested_and_of_their_class() -> None:
    data = train()
    small, large, other = (RANDOM().choose(data, n, seed=s) for n, s in ((3, 0), (7, 0), (7, 1)))
    for label in range(10):
        assert large[label][:3].tolist() == small[label].tolist()
        assert len(set(large[label].tolist())) == 7
        assert data.labels[large[label]].eq(label).all()
    assert any(not torch.equal(a, b) for a, b in zip(large, other, strict=True))


def test_random_subsets_take_every_image_as_often() -> None:
    # 300 seeds take one of five: 60 each, with a standard deviation of sqrt(300 * .2 * .8) = 7.
    data = Examples(torch.zeros(10, 1, 1, 1), torch.arange(10) % 2, 2)
    taken = torch.stack([torch.stack(RANDOM().choose(data, 1, seed=seed)) for seed in range(300)])
    counts = taken.flatten().bincount(minlength=10)
    assert counts.min() > 35 and counts.max() < 85
