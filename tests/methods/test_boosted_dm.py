"""Boosting a method that optimises images with torch's SGD."""

from typing import Any

import pytest
import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.plugins.methods.boosted_dm import BoostedDM
from suite.plugins.methods.dm import DM
from tests.support.small_data import few_digits

QUICK: dict[str, Any] = {"real_batch": 8, "network": "convnet-d1-w4-in", "image_lr": 10.0}


def train() -> Examples:
    return few_digits(10)


def taken(run: Any, steps: int) -> SyntheticSet:
    for _ in range(steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    return made


def started(beta: float) -> Any:
    method = BoostedDM(**QUICK, steps=4, block=(1, 2), beta=beta)
    return method.start(train(), Budget(3), seed=0)


def test_prefixes_of_a_strongly_boosted_set_are_the_earlier_stages() -> None:
    run = started(0.0)
    first, whole = taken(run, 2), taken(run, 2)
    assert (first.ipc, whole.ipc) == (1, 3) and torch.equal(whole.prefix(1).images, first.images)
    assert not torch.equal(whole.images[:, 1:], started(0.0).images.detach()[:, 1:])


def test_the_first_stage_is_the_method_at_its_size() -> None:
    plain = DM(**QUICK, steps=2).start(train(), Budget(1), seed=0)
    assert torch.equal(taken(plain, 2).images, taken(started(0.5), 2).images)


def test_earlier_blocks_step_at_beta_times_the_rate() -> None:
    runs = {beta: started(beta) for beta in (0.25, 1.0)}
    before = {beta: taken(run, 2).images for beta, run in runs.items()}
    steps = {beta: taken(run, 1).images[:, :1] - before[beta] for beta, run in runs.items()}
    assert torch.equal(before[0.25], before[1.0]) and steps[1.0].abs().max() > 1e-3
    assert torch.allclose(steps[0.25], 0.25 * steps[1.0], atol=1e-6)


def test_a_size_that_the_blocks_do_not_add_up_to_is_refused() -> None:
    with pytest.raises(ValueError, match="ipc 7 is not a sum of blocks of 5"):
        BoostedDM(**QUICK).check(train(), Budget(7))
