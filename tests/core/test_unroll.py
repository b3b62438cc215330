"""The optimisers against torch's, the meta-gradient against finite differences, the windows."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.networks import network
from suite.core.seeding import generator
from suite.core.unroll import (
    SGD,
    Adam,
    MetaGradient,
    Optimiser,
    TruncationSchedule,
    Window,
    advance,
    check_truncation,
    meta_gradient,
    place_window,
)

TORCHS: list[tuple[Optimiser, Callable[[list[Tensor]], torch.optim.Optimizer]]] = [
    (Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (SGD(0.1, 0.9, 0.05), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05)),
]


@pytest.mark.parametrize(("ours", "theirs"), TORCHS, ids=["adam", "sgd", "momentum"])
def test_optimisers_step_as_torchs_do(
    ours: Optimiser, theirs: Callable[[list[Tensor]], torch.optim.Optimizer]
) -> None:
    start = torch.randn(6, generator=generator(0), dtype=torch.float64)
    leaf = start.clone().requires_grad_()
    optimiser, state = theirs([leaf]), ours.start(start)
    for step in range(10):
        state = advance(lambda _, p: (p**4).sum() + p[0] * p[1], state, step, ours)
        optimiser.zero_grad()
        ((leaf**4).sum() + leaf[0] * leaf[1]).backward()
        optimiser.step()
    assert state.step == 10
    assert torch.allclose(state.parameters, leaf.detach(), rtol=1e-12, atol=1e-14)


class TinyProblem:
    """Two images of two classes train a network; another two judge it. All in float64."""

    def __init__(self) -> None:
        self.net = network("mlp-w4", (1, 2, 2), 2)
        draw = generator(1)
        self.start = self.net.initialise(draw).double()
        self.images = torch.randn(2, 1, 2, 2, generator=draw, dtype=torch.float64)
        self.labels = torch.tensor([[0.8, 0.3], [0.1, 0.9]], dtype=torch.float64)
        self.real = torch.randn(4, 1, 2, 2, generator=draw, dtype=torch.float64)

    def gradient(self, optimiser: Optimiser, window: Window, images: Tensor, labels: Tensor) -> MetaGradient:
        def inner(step: int, parameters: Tensor) -> Tensor:
            # Both the minibatch and what is done to it change from step to step.
            rows = torch.tensor([0, 1] if step % 2 else [1, 0, 1])
            return cross_entropy(self.net.logits(parameters, images[rows] * (1 + 0.1 * step)), labels[rows])

        def outer(parameters: Tensor) -> Tensor:
            return cross_entropy(self.net.logits(parameters, self.real), torch.tensor([0, 1, 1, 0]))

        return meta_gradient(inner, outer, self.start, [images, labels], optimiser=optimiser, window=window)

    def at(self, optimiser: Optimiser, window: Window) -> MetaGradient:
        leaves = self.images.clone().requires_grad_(), self.labels.clone().requires_grad_()
        return self.gradient(optimiser, window, *leaves)


@pytest.mark.parametrize(
    "optimiser",
    [Adam(0.01), Adam(0.01, eps=0.01), SGD(0.1), SGD(0.1, 0.9, 0.01)],
    ids=["adam", "eps", "sgd", "momentum"],
)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_full_meta_gradient_equals_central_finite_differences(optimiser: Optimiser, steps: int) -> None:
    problem, window, epsilon = TinyProblem(), Window(0, steps), 1e-6
    found = problem.at(optimiser, window)
    for which, value in enumerate((problem.images, problem.labels)):
        numeric = torch.zeros_like(value)
        for entry in range(value.numel()):
            losses = []
            for sign in (1, -1):
                leaves = [problem.images.clone(), problem.labels.clone()]
                leaves[which].view(-1)[entry] += sign * epsilon
                moved = problem.gradient(optimiser, window, *(leaf.requires_grad_() for leaf in leaves))
                losses.append(float(moved.loss))
            numeric.view(-1)[entry] = (losses[0] - losses[1]) / (2 * epsilon)
        scale = float(numeric.abs().max())
        assert torch.allclose(found.gradients[which], numeric, rtol=0, atol=1e-5 * scale + 1e-9)


@pytest.mark.parametrize("optimiser", [Adam(0.01), SGD(0.1, 0.9)], ids=["adam", "sgd"])
def test_steps_before_the_window_are_constants(optimiser: Optimiser) -> None:
    """The oracle: a written-out unroll that detaches parameters and moments where the window starts."""
    problem = TinyProblem()
    found = problem.at(optimiser, Window(3, 2))
    images = problem.images.clone().requires_grad_()
    state = optimiser.start(problem.start)
    for step in range(5):
        rows = torch.tensor([0, 1] if step % 2 else [1, 0, 1])
        seen = (images if step >= 3 else problem.images)[rows] * (1 + 0.1 * step)
        leaf = state.parameters if state.parameters.requires_grad else state.parameters.requires_grad_()
        loss = cross_entropy(problem.net.logits(leaf, seen), problem.labels[rows])
        (gradient,) = torch.autograd.grad(loss, leaf, create_graph=step >= 3)
        state = optimiser.update(state, gradient)
        if step < 3:
            state = type(state)(state.parameters.detach(), state.moments, state.step)
    loss = cross_entropy(problem.net.logits(state.parameters, problem.real), torch.tensor([0, 1, 1, 0]))
    (expected,) = torch.autograd.grad(loss, images)
    assert torch.allclose(found.gradients[0], expected, rtol=1e-10)
    whole = problem.at(optimiser, Window(0, 5))
    assert float(whole.loss) == pytest.approx(float(found.loss))
    assert not torch.allclose(whole.gradients[0], found.gradients[0], rtol=1e-3)


def test_a_parameter_without_gradient_does_not_make_nan() -> None:
    """Adam's v is 0 there, where the square root has no derivative."""
    images = torch.ones(1, dtype=torch.float64, requires_grad=True)
    found = meta_gradient(
        lambda _, p: (p[0] - images[0]) ** 2 + 0 * p[1],
        lambda p: p[0] ** 2,
        torch.zeros(2, dtype=torch.float64),
        [images],
        optimiser=Adam(0.1),
        window=Window(0, 2),
    )
    assert found.gradients[0].isfinite().all()


def test_an_input_that_plays_no_part_has_gradient_zero() -> None:
    used, unused = (torch.ones(1, requires_grad=True) for _ in range(2))
    found = meta_gradient(
        lambda _, p: (p * used).sum(), lambda p: p.sum(), torch.ones(1), [used, unused],
        optimiser=SGD(0.5), window=Window(0, 1),
    )  # fmt: skip
    # p - .5 u: the derivative is -.5
    assert [gradient.tolist() for gradient in found.gradients] == [[-0.5], [0.0]]


def placed(schedule: TruncationSchedule, times: int = 500) -> Counter[tuple[int, int]]:
    draw = generator(0, "window")
    windows = [place_window(schedule, unroll=6, window=4, draw=draw) for _ in range(times)]
    return Counter((window.before, window.length) for window in windows)


def test_random_windows_start_anywhere_both_ends_included() -> None:
    found = placed("random")
    assert set(found) == {(0, 4), (1, 4), (2, 4)}
    assert min(found.values()) > 500 / 3 * 0.8


def test_a_fixed_window_is_the_last_steps() -> None:
    assert set(placed("fixed")) == {(2, 4)}


def test_the_full_unroll_is_one_window() -> None:
    assert set(placed("full")) == {(0, 6)}


def test_random_lengths_start_at_the_first_step() -> None:
    found = placed("random-length")
    assert set(found) == {(0, length) for length in range(1, 7)}
    assert min(found.values()) > 500 / 6 * 0.7


def test_a_window_longer_than_the_unroll_is_refused() -> None:
    with pytest.raises(
        ValueError, match="window 60 is longer than the unroll 40; lower window or raise unroll"
    ):
        check_truncation("random", 40, 60)
    check_truncation("full", 40, 60)  # there the window plays no part
    check_truncation("random-length", 40, 60)
    with pytest.raises(ValueError, match="must be at least 1"):
        check_truncation("random", 40, 0)
