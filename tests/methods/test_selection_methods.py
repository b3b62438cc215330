"""The selection floor: orders worked by hand."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from torch import Tensor

from suite.core.data.tasks import load
from suite.core.distilling import selection
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training import cached
from suite.core.training.fit import fit_full, training_states
from suite.plugins.methods.forgetting import Memory, most

FORGETTING = import_module("suite.plugins.methods.forgetting").METHOD
HERDING = import_module("suite.plugins.methods.herding").METHOD
K_CENTER = import_module("suite.plugins.methods.k_center").METHOD
K_MEANS = import_module("suite.plugins.methods.k_means").METHOD
RANDOM = import_module("suite.plugins.methods.random_subset").METHOD


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
    run.step()
    assert run.cached_seconds == 100
    made = run.synthetic()
    assert made.images.flatten(1).tolist() == expected and made.hard


@pytest.mark.parametrize("method", [HERDING, K_CENTER, K_MEANS, FORGETTING])
def test_the_trained_network_is_cached_and_its_cost_named(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def slow(*given: Any, **named: Any) -> torch.Tensor:
        now[0] += 100  # seconds
        return fit_full(*given, **named)

    def slowly(*given: Any) -> Iterator[torch.Tensor]:
        now[0] += 100
        return training_states(*given)

    monkeypatch.setattr(cached, "perf_counter", lambda: now[0])
    monkeypatch.setattr(cached, "fit_full", slow)
    monkeypatch.setattr("suite.plugins.methods.forgetting.training_states", slowly)
    data, chosen = train(), method(epochs=2, network="convnet-d1-w4-in")
    first, paid_first = chosen.select(data, 2, seed=0)
    again, paid_again = chosen.select(data, 2, seed=0)
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert (paid_first, paid_again, now) == (0, 100, [100])
    chosen.select(data, 2, seed=1)  # another network
    assert now == [200]


def test_herding_works_in_two_dimensions() -> None:
    # The mean is (2, 1.75): nearest is row 3. ((2, 1) + x) / 2 is nearest to it for x near (2, 2.5):
    # rows 0, 1, 2 are (2, 2.5), (4, 2.5), (2, 3.5) off. ((2, 1) + x) / 3, x near (4, 4.25): row 1 is
    # (2, 4.25) off and row 2 (4, 1.75), although row 1 is nearer to the mean itself.
    features = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [2.0, 1.0]])
    assert HERDING().order(features, 4).tolist() == [3, 0, 2, 1]
    assert HERDING().order(features, 2).tolist() == [3, 0]


def test_k_center_measures_to_the_nearest_that_it_has() -> None:
    # The mean is (4.4, 3.4), nearest is row 2. From it the others are 4, 6, -, 9, 8: row 3. That is 1 from
    # row 4, so the distances are 4, 6, -, -, 1: rows 1, 0, 4.
    features = torch.tensor([[0.0, 0.0], [10.0, 0.0], [4.0, 0.0], [4.0, 9.0], [4.0, 8.0]])
    assert K_CENTER().order(features, 5).tolist() == [2, 3, 1, 0, 4]


def test_random_subsets_take_every_image_as_often() -> None:
    # 300 seeds take one of five: 60 each, with a standard deviation of sqrt(300 * .2 * .8) = 7.
    data = Examples(torch.zeros(10, 1, 1, 1), torch.arange(10) % 2, 2)
    taken = torch.stack([torch.stack(RANDOM().choose(data, 1, seed=seed)) for seed in range(300)])
    counts = taken.flatten().bincount(minlength=10)
    assert counts.min() > 35 and counts.max() < 85


@pytest.mark.parametrize("method", [HERDING, K_CENTER, K_MEANS, FORGETTING])
def test_a_network_that_cannot_be_trained_is_refused(method: Any) -> None:
    with pytest.raises(ValueError, match="8x8 images are too small for 4 blocks"):
        method(network="convnet-d4-w8-in").check(train(), Budget(1))
    with pytest.raises(ValueError, match="epochs 0 must be at least 1"):
        method(epochs=0)
    with pytest.raises(ValueError, match="unknown recipe 'dcc'"):
        method(training="dcc")


def test_every_selection_refuses_more_than_there_is() -> None:
    for method in (FORGETTING, HERDING, K_CENTER, K_MEANS, RANDOM):
        with pytest.raises(ValueError, match="ipc 21 is larger than the smallest class"):
            method().check(train(), Budget(21))


def test_k_means_takes_the_nearest_to_each_centre_the_largest_cluster_first() -> None:
    # Three clusters: 0, 1, 1.2, 4 with mean 1.55, nearest 1.2; 20, 21, 25 with mean 22, nearest 21; 50.
    features = torch.tensor([[50.0], [0.0], [21.0], [1.0], [20.0], [1.2], [25.0], [4.0]])
    assert K_MEANS().order(features, 3).tolist() == [5, 2, 0]
    # One cluster has the mean 15.275.
    assert K_MEANS().order(features, 1).tolist() == [4]


def test_k_means_takes_duplicates_once_each() -> None:
    with pytest.warns(ConvergenceWarning):
        assert sorted(K_MEANS().order(torch.ones(4, 2), 4).tolist()) == [0, 1, 2, 3]


def test_an_image_is_forgotten_when_it_was_right_and_is_wrong() -> None:
    memory = Memory(torch.zeros(5, dtype=torch.int64))
    # Four rounds: image 0 is always right; 1 is forgotten twice; 2 is learnt late; 3 never; 4 is forgotten
    # once, though it is wrong twice.
    for right in ([1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]):
        for rows in (torch.tensor([4, 0]), torch.tensor([2, 3, 1])):
            memory.see(rows, torch.tensor(right)[rows] > 0)
    assert memory.forgotten().tolist() == [0, 2, 0, 3, 1]


def test_the_most_forgotten_come_first_and_equal_ones_by_chance() -> None:
    counts = torch.tensor([0, 2, 1, 2, 0, 2])
    found = [most(counts, 4, generator(seed)).tolist() for seed in range(20)]
    assert all(sorted(rows[:3]) == [1, 3, 5] and rows[3] == 2 for rows in found)
    assert {rows[0] for rows in found} == {1, 3, 5}
    assert most(counts, 2, generator(0)).tolist() == found[0][:2]


def test_forgetting_judges_every_image_once_an_epoch_by_the_network_before_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, method = train(), FORGETTING(epochs=3, network="convnet-d1-w4-in")
    calls: list[tuple[Tensor, Tensor]] = []
    see = Memory.see

    def watched(self: Memory, rows: Tensor, right: Tensor) -> None:
        calls.append((rows, right))
        see(self, rows, right)

    monkeypatch.setattr(Memory, "see", watched)
    run = method.start(data, Budget(2), seed=0)
    run.step()
    assert len(calls) == 3  # 200 images are one batch
    assert all(sorted(rows.tolist()) == list(range(200)) for rows, _ in calls)
    net = network(method.network, data.shape, 10)
    fresh = net.initialise(generator(0, "initialisation"))
    rows, right = calls[0]
    assert torch.equal(right, net.logits(fresh, data.images[rows]).argmax(1) == data.labels[rows])
    assert run.synthetic().images.shape[:2] == (10, 2)
