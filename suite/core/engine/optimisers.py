"""Inner optimisers as pure functions of a state tensor, each with its adjoint.

A state is one tensor (1 + moments, size): the flat parameters θ, then a row for each moment. A
cotangent of a state, the derivative of a scalar with respect to it, has the same shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

Scalar = float | Tensor
"""A number, or a 0-dim tensor, which does not become a constant in a compiled function."""


class Adjoint(NamedTuple):
    """Cotangents before one step, without the part through the gradient.

    state: of the state before (1 + moments, size); direction: of the gradient (size,), to be multiplied by
    the second derivatives; lr: of the learning rate, a scalar.
    """

    state: Tensor
    direction: Tensor
    lr: Tensor


class Optimiser(Protocol):
    """An update rule. `lr` is the default learning rate."""

    @property
    def lr(self) -> float:
        """The learning rate."""
        ...

    def start(self, parameters: Tensor) -> Tensor:
        """Return the state before the first step: parameters (size,) and zero moments."""
        ...

    def corrections(self, step: Scalar) -> tuple[Scalar, ...]:
        """Return the numbers that depend only on the step, such as bias corrections; the first step is 1."""
        ...

    def update(self, state: Tensor, gradient: Tensor, lr: Scalar, corrections: Sequence[Scalar]) -> Tensor:
        """Return the state after one step along `gradient` (size,)."""
        ...

    def adjoint(
        self, after: Tensor, gradient: Tensor, cotangent: Tensor, lr: Scalar, corrections: Sequence[Scalar]
    ) -> Adjoint:
        """Return the cotangents before the step along `gradient` to `after`, given its cotangent."""
        ...


@dataclass(frozen=True)
class Adam:
    """Adam as in torch: eps is added to the bias-corrected root, `lr * m̂ / (sqrt(v̂) + eps)`.

    eps_inside: add eps to the root before it is corrected, as `higher` 0.2.1 does, with c1 and c2 the bias
    corrections: `lr * sqrt(c2) / c1 * m / (sqrt(v) + eps)`. In the first steps eps is then up to 32 times as
    large, which changes the meta-gradient of windows from step 0.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    eps_inside: bool = field(default=False, kw_only=True)

    def start(self, parameters: Tensor) -> Tensor:
        """Return zero moments m and v below the parameters."""
        return torch.stack([parameters, torch.zeros_like(parameters), torch.zeros_like(parameters)])

    def corrections(self, step: Scalar) -> tuple[Scalar, ...]:
        """Return 1 - β1^step and sqrt(1 - β2^step); with `eps_inside` also eps over the latter."""
        beta1, beta2 = self.betas
        first, second = 1 - beta1**step, (1 - beta2**step) ** 0.5
        return (first, second, self.eps / second) if self.eps_inside else (first, second)

    def before_window(self, corrections: Tensor, steps: int) -> Tensor:
        """Return the corrections (n, k) with eps outside in the first `steps`, which are not differentiated.

        `higher` takes the steps of a window only; torch takes those before it.
        """
        if not (self.eps_inside and steps):
            return corrections
        outside = corrections.new_full((steps, 1), self.eps)
        return torch.cat([torch.cat([corrections[:steps, :2], outside], 1), corrections[steps:]])

    def update(self, state: Tensor, gradient: Tensor, lr: Scalar, corrections: Sequence[Scalar]) -> Tensor:
        """Take one Adam step."""
        (beta1, beta2), (first, second, *_) = self.betas, corrections
        mean = beta1 * state[1] + (1 - beta1) * gradient
        square = beta2 * state[2] + (1 - beta2) * gradient * gradient
        moved = state[0] - lr / first * mean / (square.sqrt() / second + self._eps(corrections))
        return torch.stack([moved, mean, square])

    def adjoint(
        self, after: Tensor, gradient: Tensor, cotangent: Tensor, lr: Scalar, corrections: Sequence[Scalar]
    ) -> Adjoint:
        """Return the cotangents before the step. Where v is 0, the derivative of its root is taken as 0."""
        (beta1, beta2), (first, second, *_) = self.betas, corrections
        _, mean, square = after
        root = square.sqrt()
        divisor = root / second + self._eps(corrections)
        scaled = cotangent[0] / (first * divisor)
        pulled = lr * scaled
        to_mean = cotangent[1] - pulled
        slope = torch.where(square > 0, mean / (2 * second * divisor * root), 0.0)
        to_square = cotangent[2] + pulled * slope
        direction = (1 - beta1) * to_mean + 2 * (1 - beta2) * gradient * to_square
        before = torch.stack([cotangent[0], beta1 * to_mean, beta2 * to_square])
        return Adjoint(before, direction, -(scaled * mean).sum())

    def _eps(self, corrections: Sequence[Scalar]) -> Scalar:
        return corrections[2] if self.eps_inside else self.eps


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, arXiv 1711.05101, as in torch.

    spans: the numbers of consecutive parameters that decay, that do not, that decay, and so on; without them
    all decay.
    """

    weight_decay: float = 0.01
    spans: tuple[int, ...] = ()

    def update(self, state: Tensor, gradient: Tensor, lr: Scalar, corrections: Sequence[Scalar]) -> Tensor:
        """Shrink the parameters, then take one Adam step."""
        shrunk = torch.cat([state[:1] * (1 - lr * self._decay(state)), state[1:]])
        return super().update(shrunk, gradient, lr, corrections)

    def adjoint(
        self, after: Tensor, gradient: Tensor, cotangent: Tensor, lr: Scalar, corrections: Sequence[Scalar]
    ) -> Adjoint:
        """Return the cotangents before the step; the parameters before it follow from those after it."""
        found, (first, second, *_) = super().adjoint(after, gradient, cotangent, lr, corrections), corrections
        decay = self._decay(after)
        kept = 1 - lr * decay
        moved = lr / first * after[1] / (after[2].sqrt() / second + self._eps(corrections))
        before = (after[0] + moved) / kept
        state = torch.cat([found.state[:1] * kept, found.state[1:]])
        return Adjoint(state, found.direction, found.lr - (decay * cotangent[0] * before).sum())

    def _decay(self, like: Tensor) -> Scalar:
        """Return the decay of each parameter: a tensor (size,), or one number for all."""
        if not self.spans:
            return self.weight_decay
        # Made on the device, since a captured program cannot copy from the host.
        decays = (0.0 if place % 2 else self.weight_decay for place in range(len(self.spans)))
        return torch.cat([like.new_full((n,), decay) for n, decay in zip(self.spans, decays, strict=True)])


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with heavy-ball momentum and weight decay, as in torch."""

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def start(self, parameters: Tensor) -> Tensor:
        """Return a zero velocity below the parameters."""
        return torch.stack([parameters, torch.zeros_like(parameters)])

    def corrections(self, step: Scalar) -> tuple[Scalar, ...]:
        """Return no corrections: all steps are equal."""
        return ()

    def update(self, state: Tensor, gradient: Tensor, lr: Scalar, corrections: Sequence[Scalar]) -> Tensor:
        """Take one step."""
        velocity = self.momentum * state[1] + gradient + self.weight_decay * state[0]
        return torch.stack([state[0] - lr * velocity, velocity])

    def adjoint(
        self, after: Tensor, gradient: Tensor, cotangent: Tensor, lr: Scalar, corrections: Sequence[Scalar]
    ) -> Adjoint:
        """Return the cotangents before the step."""
        direction = cotangent[1] - lr * cotangent[0]
        before = torch.stack([cotangent[0] + self.weight_decay * direction, self.momentum * direction])
        return Adjoint(before, direction, -(cotangent[0] * after[1]).sum())


def inner_optimiser(name: Literal["adam", "sgd"], lr: float, *, eps_inside: bool = False) -> Optimiser:
    """Return Adam, or SGD with momentum 0.9; raises ValueError for SGD with `eps_inside`, which is Adam's."""
    if name == "adam":
        return Adam(lr, eps_inside=eps_inside)
    if eps_inside:
        raise ValueError(f"eps_inside is a setting of Adam, and inner_optimiser is {name!r}; leave one out")
    return SGD(lr, momentum=0.9)


def lamb(rule: Adam, state: Tensor, gradient: Tensor, lr: float, step: int) -> Tensor:
    """Return Adam's state (3, size) after a step of LAMB (You et al., arXiv 1904.00962).

    The step has Adam's direction and the length `lr` times the norm of the values. gradient: (size,); step:
    counted from 1. It has no adjoint, so it can update sets, but not inner networks.
    """
    after = rule.update(state, gradient, 1.0, rule.corrections(step))
    direction = after[0] - state[0]
    long, short = state[0].norm(), direction.norm()
    trust = torch.where((long > 0) & (short > 0), long / short, 1.0)
    return torch.stack([state[0] + lr * trust * direction, after[1], after[2]])


def adabelief(state: Tensor, gradient: Tensor, lr: float, step: int) -> Tensor:
    """Return Adam's state (3, size) after a step of AdaBelief (Zhuang et al., arXiv 2010.07468).

    In the place of the gradient's square is that of its distance to the mean before the step, as in optax up
    to version 0.2.3; the paper's mean is that after the step. gradient: (size,); step: counted from 1. It has
    no adjoint, as `lamb`.
    """
    rule, eps = Adam(), 1e-16
    mean = torch.lerp(gradient, state[1], rule.betas[0])
    square = torch.lerp((gradient - state[1]).square(), state[2], rule.betas[1]) + eps
    first, second = rule.corrections(step)
    moved = state[0] - lr / first * mean / (square.sqrt() / second + eps)
    return torch.stack([moved, mean, square])
