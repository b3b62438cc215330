"""The optimisers against torch's, their adjoints against autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from suite.core.engine.optimisers import SGD, Adam, AdamW, Optimiser, adabelief
from suite.core.seeding import generator

TORCHS: list[tuple[Optimiser, Callable[[list[Tensor]], torch.optim.Optimizer]]] = [
    (Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (Adam(0.01, (0.8, 0.9), 0.01), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=0.01)),
    (AdamW(0.01, weight_decay=0.3), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3)),
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (SGD(0.1, 0.9, 0.05), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05)),
]
DECAYED = AdamW(0.01, weight_decay=0.3, spans=(2, 3, 1))
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


def test_adam_adds_eps_before_the_correction_if_asked() -> None:
    """`higher` 0.2.1: lr sqrt(c2) / c1 * m / (sqrt(v) + eps)."""
    rule, state = Adam(0.1, (0.8, 0.9), 0.05, eps_inside=True), torch.tensor([[1.0, -2.0]] * 3).double()
    state[1:] = 0
    mean, square, value = (torch.zeros(2).double() for _ in range(3))
    value += state[0]
    for step in range(1, 6):
        gradient = 4 * value**3
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        size = 0.1 * (1 - 0.9**step) ** 0.5 / (1 - 0.8**step)
        value = value - size * mean / (square.sqrt() + 0.05)
        state = rule.update(state, gradient, rule.lr, rule.corrections(step))
        torch.testing.assert_close(state[0], value, rtol=1e-12, atol=0)
    assert not torch.allclose(Adam(0.1, (0.8, 0.9), 0.05).update(state, gradient, 0.1, (1, 1))[0], value)


def test_steps_before_the_window_have_eps_outside() -> None:
    rule = Adam(eps_inside=True)
    rows = torch.tensor([rule.corrections(step) for step in (1, 2, 3)], dtype=torch.float64)
    found = rule.before_window(rows, 2)
    assert torch.equal(found[:, :2], rows[:, :2]) and torch.equal(found[2], rows[2])
    assert found[:2, 2].tolist() == [1e-8, 1e-8] and rows[0, 2] == pytest.approx(1e-8 / 0.001**0.5)
    plain = torch.tensor([Adam().corrections(1)])
    assert torch.equal(Adam().before_window(plain, 1), plain)


def test_adamw_decays_the_spans_that_it_is_told() -> None:
    leaf = torch.randn(6, generator=generator(0), dtype=torch.float64)
    parts = [part.clone().requires_grad_() for part in leaf.split([2, 3, 1])]
    groups = [{"params": parts[::2], "weight_decay": 0.3}, {"params": parts[1:2], "weight_decay": 0.0}]
    theirs, state = torch.optim.AdamW(groups, lr=0.01), DECAYED.start(leaf)
    for step in range(1, 11):
        state = DECAYED.update(state, 4 * state[0] ** 3, 0.01, DECAYED.corrections(step))
        theirs.zero_grad()
        (torch.cat(parts) ** 4).sum().backward()
        theirs.step()
    assert torch.allclose(state[0], torch.cat(parts).detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "rule",
    [*(ours for ours, _ in TORCHS), Adam(0.01, (0.8, 0.9), 0.05, eps_inside=True), DECAYED],
    ids=[*IDS, "adam-eps-inside", "adamw-spans"],
)
def test_adjoints_equal_autograd(rule: Optimiser) -> None:
    rng = generator(0)
    rows = len(rule.start(torch.zeros(6)))
    state = torch.rand(rows, 6, generator=rng, dtype=torch.float64).requires_grad_()
    gradient = torch.randn(6, generator=rng, dtype=torch.float64).requires_grad_()
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


def test_two_steps_of_adabelief_by_hand() -> None:
    # The first step is Adam's: the rate, against the signs. The same gradient g again is .9 g from the mean
    # .1 g before the step: (.999 * .001 + .001 * .81) g² / (1 - .999²) = .904952 g², and the mean is g.
    gradient = torch.tensor([0.5, -2.0], dtype=torch.float64)
    state = adabelief(Adam().start(torch.tensor([3.0, 4.0]).double()), gradient, 0.1, 1)
    torch.testing.assert_close(state[0], torch.tensor([2.9, 4.1]).double())
    state = adabelief(state, gradient, 0.1, 2)
    torch.testing.assert_close(state[1], 0.19 * gradient)
    torch.testing.assert_close(state[2], 0.001809 * gradient**2)
    move = 0.1 + 0.1 / 0.9049525**0.5
    torch.testing.assert_close(state[0], torch.tensor([3 - move, 4 + move]).double(), rtol=1e-6, atol=0)
