"""The optimisers against torch's, their adjoints against autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from suite.core.engine.optimisers import SGD, Adam, AdamW, Optimiser
from suite.core.seeding import generator

TORCHS: list[tuple[Optimiser, Callable[[list[Tensor]], torch.optim.Optimizer]]] = [
    (Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (Adam(0.01, (0.8, 0.9), 0.01), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=0.01)),
    (AdamW(0.01, weight_decay=0.3), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3)),
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (SGD(0.1, 0.9, 0.05), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05)),
]
IDS = ["adam", "adam-eps", "adamw", "sgd", "sgd-momentum-decay"]


@pytest.mark.parametrize(("ours", "theirs"), TORCHS, ids=IDS)
def test_optimisers_step_as_torchs_do(
    ours: Optimiser, theirs: Callable[[list[Tensor]], torch.optim.Optimizer]
) -> None:
    leaf = torch.randn(6, generator=generator(0), dtype=torch.float64).requires_grad_()
    optimiser, state = theirs([leaf]), ours.start(leaf.detach().clone())
    for step in range(1, 11):
        gradient = 4 * state[0] ** 3
        state = ours.update(state, gradient, ours.lr, ours.corrections(step))
        optimiser.zero_grad()
        (leaf**4).sum().backward()
        optimiser.step()
    assert torch.allclose(state[0], leaf.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", [ours for ours, _ in TORCHS], ids=IDS)
def test_adjoints_equal_autograd(rule: Optimiser) -> None:
    rng = generator(0)
    rows = len(rule.start(torch.zeros(5)))
    state = torch.rand(rows, 5, generator=rng, dtype=torch.float64).requires_grad_()
    gradient = torch.randn(5, generator=rng, dtype=torch.float64).requires_grad_()
    lr = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)
    after = rule.update(state, gradient, lr, rule.corrections(3))
    to = torch.randn(after.shape, generator=rng, dtype=torch.float64)
    expected = torch.autograd.grad(after, (state, gradient, lr), to)
    with torch.no_grad():
        found = rule.adjoint(after, gradient, to, lr, rule.corrections(3))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_adam_has_no_slope_where_its_second_moment_is_zero() -> None:
    """There the square root has no derivative; taken as it stands it makes NaN of everything."""
    rule, zero = Adam(0.1), torch.zeros(2)
    after = rule.update(rule.start(zero), zero, rule.lr, rule.corrections(1))
    found = rule.adjoint(after, zero, torch.ones(3, 2), rule.lr, rule.corrections(1))
    assert all(part.isfinite().all() for part in found)
