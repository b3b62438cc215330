"""Forgetting: what it counts, and which come first."""

from importlib import import_module

import pytest
import torch
from torch import Tensor

from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.methods.forgetting import Memory
from tests.support.small_data import few_digits

FORGETTING = import_module("suite.plugins.methods.forgetting").METHOD


def train() -> Examples:
    return few_digits(20)


def test_an_image_is_forgotten_when_it_was_right_and_is_wrong() -> None:
    memory = Memory(torch.zeros(5, dtype=torch.int64))
    # Four rounds: image 0 is always right; 1 is forgotten twice; 2 is learnt late; 3 never; 4 is forgotten
    # once, though it is wrong twice.
    for right in ([1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]):
        for rows in (torch.tensor([4, 0]), torch.tensor([2, 3, 1])):
            memory.see(rows, torch.tensor(right)[rows] > 0)
    assert memory.forgotten().tolist() == [0, 2, 0, 3, 1]


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
