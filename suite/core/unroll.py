"""Differentiable inner training: optimisers as pure functions, and the meta-gradient.

The inner loop trains flat parameters θ on a synthetic set; the meta-gradient is the derivative of a
scalar of the final parameters with respect to whatever the inner losses depend on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

Loss = Callable[[int, Tensor], Tensor]
"""(inner step, parameters) -> scalar; it draws the step's minibatch and augmentation itself."""

TruncationSchedule = Literal["random", "fixed", "full", "random-length"]


@dataclass(frozen=True)
class State:
    """Parameters (size,), the optimiser's moments (each (size,)), and the steps taken."""

    parameters: Tensor
    moments: tuple[Tensor, ...]
    step: int


class Optimiser(Protocol):
    """An update rule as a pure, differentiable function."""

    def start(self, parameters: Tensor) -> State:
        """Return the state before the first step."""
        ...

    def update(self, state: State, gradient: Tensor) -> State:
        """Return the state after one step along `gradient` (size,)."""
        ...


@dataclass(frozen=True)
class Adam:
    """Adam as torch has it: eps is added to the bias-corrected root, `lr * m̂ / (sqrt(v̂) + eps)`."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def start(self, parameters: Tensor) -> State:
        """Return zero moments m and v."""
        return State(parameters, (torch.zeros_like(parameters), torch.zeros_like(parameters)), 0)

    def update(self, state: State, gradient: Tensor) -> State:
        """Take one Adam step."""
        step, (beta1, beta2) = state.step + 1, self.betas
        mean, square = state.moments
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient * gradient
        root = _root(square) / (1 - beta2**step) ** 0.5
        parameters = state.parameters - self.lr / (1 - beta1**step) * mean / (root + self.eps)
        return State(parameters, (mean, square), step)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with heavy-ball momentum and weight decay, as torch's."""

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def start(self, parameters: Tensor) -> State:
        """Return a zero velocity."""
        return State(parameters, (torch.zeros_like(parameters),), 0)

    def update(self, state: State, gradient: Tensor) -> State:
        """Take one step."""
        velocity = self.momentum * state.moments[0] + gradient + self.weight_decay * state.parameters
        return State(state.parameters - self.lr * velocity, (velocity,), state.step + 1)


def _root(square: Tensor) -> Tensor:
    """Return the square root, with derivative 0 rather than infinity where `square` is 0.

    A parameter that never had a gradient (v = 0) would turn the whole meta-gradient into NaN.
    """
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)


@dataclass(frozen=True)
class Window:
    """The differentiated steps of an unroll: `length` of them after `before` plain ones."""

    before: int
    length: int


def check_truncation(schedule: TruncationSchedule, unroll: int, window: int) -> None:
    """Raise ValueError where `window` and `unroll` contradict each other or the schedule."""
    if min(unroll, window) < 1:
        raise ValueError(f"window {window} and unroll {unroll} must be at least 1")
    if schedule in ("random", "fixed") and window > unroll:
        raise ValueError(f"window {window} is longer than the unroll {unroll}; lower window or raise unroll")


def place_window(schedule: TruncationSchedule, *, unroll: int, window: int, draw: torch.Generator) -> Window:
    """Place the window in an unroll.

    random: RaT-BPTT, its start uniform in [0, unroll - window]; fixed: T-BPTT, the last steps;
    full: BPTT, every step; random-length: R-BPTT, from step 0 to a random length in [1, unroll]. In
    these two `window` plays no part.
    """
    if schedule == "full":
        return Window(0, unroll)
    if schedule == "fixed":
        return Window(unroll - window, window)
    if schedule == "random":
        return Window(int(torch.randint(unroll - window + 1, (), generator=draw)), window)
    return Window(0, int(torch.randint(1, unroll + 1, (), generator=draw)))


@dataclass(frozen=True)
class MetaGradient:
    """The outer loss (a scalar), and its derivative for each input, shaped like it."""

    loss: Tensor
    gradients: tuple[Tensor, ...]


def meta_gradient(
    inner: Loss,
    outer: Callable[[Tensor], Tensor],
    parameters: Tensor,
    inputs: Sequence[Tensor],
    *,
    optimiser: Optimiser,
    window: Window,
) -> MetaGradient:
    """Train for `window.before` plain and `window.length` differentiated steps; differentiate `outer`.

    inner: the loss at each step, which depends on `inputs` (leaf tensors that require gradients);
    outer: the loss of the final parameters; parameters: (size,) to start from.
    """
    state = optimiser.start(parameters)
    for step in range(window.before):
        state = advance(inner, state, step, optimiser)
    leaf = state.parameters.detach().requires_grad_()
    state = State(leaf, state.moments, state.step)
    for step in range(window.before, window.before + window.length):
        (gradient,) = torch.autograd.grad(inner(step, state.parameters), state.parameters, create_graph=True)
        state = optimiser.update(state, gradient)
    loss = outer(state.parameters)
    gradients = torch.autograd.grad(loss, list(inputs), allow_unused=True, materialize_grads=True)
    return MetaGradient(loss.detach(), gradients)


def advance(inner: Loss, state: State, step: int, optimiser: Optimiser) -> State:
    """Take one inner step that is not differentiated."""
    leaf = state.parameters.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(inner(step, leaf), leaf)
    with torch.no_grad():
        return optimiser.update(State(leaf.detach(), state.moments, state.step), gradient)
