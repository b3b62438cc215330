"""What the tests of robust evaluators share: a small task, and trainings that are recorded, not done."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.networks.named import Network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task, TestSplit
from suite.core.training.recipes import Recipe
from suite.plugins.smoke import smoke_data
from tests.support.real_sets import Trained


@pytest.fixture
def task() -> Task:
    found = load("digits")
    test = found.test.take(torch.arange(40))
    return dataclasses.replace(found, train=smoke_data(), split=TestSplit(test))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Record trainings instead of doing them."""
    done: Trained = []

    def fit_copies(
        net: Network, synthetic: SyntheticSet, how: Recipe, *, seeds: Sequence[int], label: None
    ) -> Any:
        done.append((how, synthetic.hard, tuple(seeds)))
        return (torch.full((net.size,), 0.01 * len(done)) for _ in seeds)

    monkeypatch.setattr("suite.core.training.retrain_together.fit_copies", fit_copies)
    return done
