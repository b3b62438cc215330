"""Boosting a method that updates the images several times in a step, in networks that train on them."""

from typing import Any

import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.plugins.methods.boosted_dsa import BoostedDSA
from suite.plugins.methods.dsa import DSA
from tests.support.small_data import few_digits

QUICK: dict[str, Any] = {
    "real_batch": 8,
    "network": "convnet-d1-w4-in",
    "image_lr": 1.0,
    "outer_loop": 3,
    "inner_loop": 1,
}


def train() -> Examples:
    return few_digits(10)


def taken(run: Any, steps: int) -> SyntheticSet:
    for _ in range(steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    return made


def started(beta: float, **changes: Any) -> Any:
    method = BoostedDSA(**{**QUICK, **changes}, steps=4, block=(1, 2), beta=beta)
    return method.start(train(), Budget(3), seed=0)


def test_prefixes_of_a_strongly_boosted_set_are_the_earlier_stages() -> None:
    run = started(0.0)
    first, whole = taken(run, 2), taken(run, 2)
    assert run.milestones == (2,)
    assert (first.ipc, whole.ipc) == (1, 3) and torch.equal(whole.prefix(1).images, first.images)
    assert not torch.equal(whole.images[:, 1:], started(0.0).images.detach()[:, 1:])


def test_the_first_stage_is_the_method_at_its_size() -> None:
    plain = DSA(**QUICK, steps=2).start(train(), Budget(1), seed=0)
    assert torch.equal(taken(plain, 2).images, taken(started(0.5), 2).images)


def test_at_beta_one_a_stage_is_the_method_at_its_size_from_where_the_blocks_stand() -> None:
    settings: dict[str, Any] = {**QUICK, "image_momentum": 0.0}
    run = started(1.0, **settings)
    plain: Any = DSA(**settings, steps=2).start(train(), Budget(3), seed=1)
    taken(run, 2)
    state = {name: value for name, value in run.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict({**state, "optimiser": plain.optimiser.state_dict()})
    torch.testing.assert_close(taken(run, 1).images, taken(plain, 1).images)


def test_each_of_a_steps_updates_reaches_earlier_blocks_by_their_share() -> None:
    """With one update a step, they move by the share; with more, networks train on where they then are."""
    runs = {beta: started(beta, outer_loop=1) for beta in (0.25, 1.0)}
    before = {beta: taken(run, 2).images for beta, run in runs.items()}
    steps = {beta: taken(run, 1).images[:, :1] - before[beta] for beta, run in runs.items()}
    assert torch.equal(before[0.25], before[1.0]) and steps[1.0].abs().max() > 1e-3
    torch.testing.assert_close(steps[0.25], 0.25 * steps[1.0], atol=1e-6, rtol=1e-4)
