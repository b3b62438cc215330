"""Selections of real images: what all of them do, and what those do that train a network."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.distilling import selection
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training import cached
from suite.core.training.fit import fit_full, training_states
from tests.support.small_data import few_digits

CCS = import_module("suite.plugins.methods.ccs").METHOD
EL2N = import_module("suite.plugins.methods.el2n").METHOD
FORGETTING = import_module("suite.plugins.methods.forgetting").METHOD
GRAND = import_module("suite.plugins.methods.grand").METHOD
HERDING = import_module("suite.plugins.methods.herding").METHOD
K_CENTER = import_module("suite.plugins.methods.k_center").METHOD
K_MEANS = import_module("suite.plugins.methods.k_means").METHOD
RANDOM = import_module("suite.plugins.methods.random_subset").METHOD


def train() -> Examples:
    return few_digits(20)


@pytest.mark.parametrize(
    ("method", "expected"),
    # Class 0 has the images 0, 2, 4, 6, 8 with mean 4, class 1 one more each. Herding: 4; then 2 and 6
    # both leave the mean 1 off, and 2 comes first; then 6 leaves (4 + 2 + 6) / 3 = 4. K-Center: 4; then
    # 0 and 8 are both 4 away, and 0 comes first; then 8.
    [(HERDING, [[4, 2, 6], [5, 3, 7]]), (K_CENTER, [[4, 0, 8], [5, 1, 9]])],
)
def test_rows_among_a_class_become_its_images(
    method: Any, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "trained_network", lambda *_, seed: (torch.zeros(0), 100.0))
    monkeypatch.setattr(selection, "_features", lambda images, *_: images.flatten(1))
    data = Examples(torch.arange(10.0).reshape(10, 1, 1, 1), torch.arange(10) % 2, 2)
    run = method().start(data, Budget(3), seed=0)
    # The features cost nothing here: all of their 100 seconds were spent by an earlier trial.
    assert run.cached_seconds == 0 and run.step() == {}
    assert run.cached_seconds == 100
    made = run.synthetic()
    assert made.images.flatten(1).tolist() == expected and made.hard


@pytest.mark.parametrize("method", [HERDING, K_CENTER, K_MEANS, FORGETTING, CCS])
def test_the_trained_network_is_cached_and_its_cost_named(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def slow(*given: Any, **named: Any) -> torch.Tensor:
        now[0] += 100  # seconds
        return fit_full(*given, **named)

    def slowly(*given: Any) -> Iterator[Tensor]:
        now[0] += 100
        return training_states(*given)

    monkeypatch.setattr(cached, "perf_counter", lambda: now[0])
    monkeypatch.setattr(cached, "fit_full", slow)
    monkeypatch.setattr(selection, "training_states", slowly)
    data, chosen = train(), method(epochs=2, network="convnet-d1-w4-in")
    first, paid_first = chosen.select(data, 2, seed=0)
    again, paid_again = chosen.select(data, 2, seed=0)
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert (paid_first, paid_again, now) == (0, 100, [100])
    chosen.select(data, 2, seed=1)  # another network
    assert now == [200]


def test_the_highest_come_first_and_equal_ones_by_chance() -> None:
    scores = torch.tensor([0, 2, 1, 2, 0, 2])
    found = [selection.highest(scores, 4, generator(seed)).tolist() for seed in range(20)]
    assert all(sorted(rows[:3]) == [1, 3, 5] and rows[3] == 2 for rows in found)
    assert {rows[0] for rows in found} == {1, 3, 5}
    assert selection.highest(scores, 2, generator(0)).tolist() == found[0][:2]


@pytest.mark.parametrize("method", [HERDING, K_CENTER, K_MEANS, FORGETTING, CCS, EL2N])
def test_a_network_that_cannot_be_trained_is_refused(method: Any) -> None:
    with pytest.raises(ValueError, match="8x8 images are too small for 4 blocks"):
        method(network="convnet-d4-w8-in").check(train(), Budget(1))
    with pytest.raises(ValueError, match="epochs 0 must be at least 1"):
        method(epochs=0)
    with pytest.raises(ValueError, match="unknown recipe 'dcc'"):
        method(training="dcc")


def test_every_selection_refuses_more_than_there_is() -> None:
    for method in (CCS, EL2N, FORGETTING, GRAND, HERDING, K_CENTER, K_MEANS, RANDOM):
        with pytest.raises(ValueError, match="ipc 21 is larger than the smallest class"):
            method().check(train(), Budget(21))
