"""BPTT: the window is the whole unroll. Its outer steps are compared with plain PyTorch in test_rat_bptt."""

from dataclasses import fields
from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.spec import Budget
from tests.support.plain_meta_learning import NAME, double

METHOD = import_module("suite.plugins.methods.bptt").METHOD
RAT_BPTT = import_module("suite.plugins.methods.rat_bptt").METHOD
QUICK: dict[str, Any] = {"steps": 3, "unroll": 4, "real_batch": 16, "network": NAME, "outer_lr": 0.1}


def test_it_has_the_settings_of_rat_bptt_but_for_the_window() -> None:
    own = {field.name: field.default for field in fields(METHOD)}
    papers = {field.name: field.default for field in fields(RAT_BPTT)}
    assert papers == {**own, "window": 60, "truncation": "random", "growing": False}
    assert all("window" not in settings for settings in (METHOD.smoke, *METHOD.published.values()))


def test_it_is_rat_bptt_whose_window_is_the_unroll() -> None:
    sets = []
    for method in (METHOD(**QUICK), RAT_BPTT(**QUICK, window=4)):
        run = method.start(double(), Budget(2), seed=0)
        for _ in range(3):
            run.step()
        sets.append(run.synthetic().images)
    assert torch.equal(*sets)


def test_fewer_states_held_at_once_change_no_bit() -> None:
    sets = []
    for every in (None, 1, 3):
        run = METHOD(**QUICK, checkpoint_every=every).start(double(), Budget(2), seed=0)
        run.step()
        sets.append(run.synthetic().images)
    assert torch.equal(sets[0], sets[1]) and torch.equal(sets[0], sets[2])


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unroll 0 must be at least 1"):
        METHOD(unroll=0)
    with pytest.raises(ValueError, match="checkpoint_every 5 must lie between 1 and the window's 4 steps"):
        METHOD(**QUICK, checkpoint_every=5)
