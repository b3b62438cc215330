"""Boosting a method whose students train on a growing part of the set."""

from typing import Any

import pytest
import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget
from suite.plugins.methods.boosted_mtt import BoostedMTT
from suite.plugins.methods.mtt import MTT
from suite.plugins.smoke import smoke_data

QUICK: dict[str, Any] = {
    **MTT.smoke,
    "steps": 4,
    "network": "convnet-d1-w4-none",
    "image_momentum": 0.0,
    "expert_batch": 150,
}


@pytest.fixture(autouse=True, scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder of experts that all runs share."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RATBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield


def taken(run: Any, steps: int) -> SyntheticSet:
    for _ in range(steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    return made


def started(beta: float, **changes: Any) -> Any:
    method = BoostedMTT(**{**QUICK, **changes}, block=(1, 2), beta=beta)
    return method.start(smoke_data(), Budget(3), seed=0)


def test_prefixes_of_a_strongly_boosted_set_are_the_earlier_stages() -> None:
    run = started(0.0)
    first, whole = taken(run, 2), taken(run, 2)
    assert run.milestones == (2,)
    assert (first.ipc, whole.ipc) == (1, 3) and torch.equal(whole.prefix(1).images, first.images)
    assert not torch.equal(whole.images[:, 1:], started(0.0).images[:, 1:])
    assert whole.lr == float(run.student_lr) != first.lr


@pytest.mark.parametrize("batch", [None, 7])
def test_the_first_stage_is_the_method_at_its_size(batch: int | None) -> None:
    plain = MTT(**{**QUICK, "steps": 2, "batch": batch}).start(smoke_data(), Budget(1), seed=0)
    made, own = taken(plain, 2), taken(started(0.5, batch=batch), 2)
    assert torch.equal(made.images, own.images) and made.lr == own.lr


def test_earlier_blocks_step_at_beta_times_the_rate_and_later_ones_not_at_all() -> None:
    runs = {beta: started(beta) for beta in (0.25, 1.0)}
    later = runs[1.0].images[:, 1:].clone()
    before = {beta: taken(run, 2).images for beta, run in runs.items()}
    assert torch.equal(runs[1.0].images[:, 1:], later)
    steps = {beta: taken(run, 1).images[:, :1] - before[beta] for beta, run in runs.items()}
    assert torch.equal(before[0.25], before[1.0]) and steps[1.0].abs().max() > 1e-4
    torch.testing.assert_close(steps[0.25], 0.25 * steps[1.0], atol=1e-7, rtol=1e-3)
