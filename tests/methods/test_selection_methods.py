"""The selection floor: orders worked by hand."""

from importlib import import_module

import pytest
import torch

from suite.core.datasets import load
from suite.core.spec import Budget, Examples

HERDING = import_module("methods.herding").METHOD
K_CENTER = import_module("methods.k_center").METHOD
RANDOM = import_module("methods.random_subset").METHOD


def train() -> Examples:
    digits = load("digits").train
    return digits.take(torch.cat([indices[:20] for indices in digits.by_class()]))


def test_herding_follows_the_mean() -> None:
    # Mean of 0, 1, 2, 9 is 3. Nearest: 2. Then (2 + x) / 2 nearest to 3: x = 1 gives 1.5, x = 9 gives
    # 5.5, x = 0 gives 1: errors 1.5, 2.5, 2. Then (3 + x) / 3: x = 9 gives 4, x = 0 gives 1.
    features = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    assert HERDING().order(features, 4).tolist() == [2, 1, 3, 0]


def test_herding_never_takes_an_image_twice() -> None:
    features = torch.ones(5, 2)
    assert sorted(HERDING().order(features, 5).tolist()) == [0, 1, 2, 3, 4]


def test_k_center_starts_in_the_middle_and_takes_the_farthest() -> None:
    # Mean 3: nearest is 2 (row 2). Farthest from 2 is 9. Then distances to {2, 9}: 0 has 2, 1 has 1.
    features = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    assert K_CENTER().order(features, 4).tolist() == [2, 3, 0, 1]


def test_k_center_takes_duplicates_once_each() -> None:
    assert sorted(K_CENTER().order(torch.ones(4, 2), 4).tolist()) == [0, 1, 2, 3]


def test_random_subsets_are_seeded_nested_and_of_their_class() -> None:
    data = train()
    small, large, other = (RANDOM().choose(data, n, seed=s) for n, s in ((3, 0), (7, 0), (7, 1)))
    for label in range(10):
        assert large[label][:3].tolist() == small[label].tolist()
        assert len(set(large[label].tolist())) == 7
        assert data.labels[large[label]].eq(label).all()
    assert any(not torch.equal(a, b) for a, b in zip(large, other, strict=True))


@pytest.mark.parametrize("method", [HERDING, K_CENTER])
def test_the_trained_network_is_cached_and_its_cost_named(method: type) -> None:
    data, chosen = train(), method(epochs=2, network="convnet-d1-w4-in")
    first, metrics = chosen.select(data, 2, seed=0)
    again, borrowed = chosen.select(data, 2, seed=0)
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert metrics["borrowed_seconds"] < 0.02 < borrowed["borrowed_seconds"]


def test_every_selection_refuses_more_than_there_is() -> None:
    for method in (HERDING, K_CENTER, RANDOM):
        with pytest.raises(ValueError, match="ipc 21 is larger than the smallest class"):
            method().check(train(), Budget(21))
