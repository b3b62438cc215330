"""The parts of an unroll as pure functions of tensors, one step each, optionally compiled."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from suite.core.engine.losses import AutogradLoss, Batch, Loss
from suite.core.engine.modules import FlatModule
from suite.core.engine.optimisers import Adam, Optimiser
from suite.core.execution.compiling import Compiled, Function
from suite.core.execution.streams import stream_number
from suite.core.execution.transfer import send

KEPT_BY_STEP, KEPT_BY_WINDOW = 16 * 2**20, 2**30


def max_kept_bytes(device: torch.device, window: int) -> int:
    """Return the most bytes of activations that a step keeps; this saves a third of the backward pass.

    Kept activations gain nothing on a CPU if they do not fit its cache. On a GPU they fill memory: the steps
    of a window keep at most a GiB. The limit does not depend on free memory, so results do not, either.
    """
    return KEPT_BY_STEP if device.type == "cpu" else KEPT_BY_WINDOW // window


@dataclass(frozen=True)
class InnerProblem:
    """An inner loop to differentiate: its loss, its optimiser, and the outer loss of the trained network.

    inner: the loss of an inner step; outer: a scalar of (final parameters, *tensors); compiled: whether the
    parts are compiled; max_kept_bytes: limit of the activations that a step keeps; module: the torch module
    of the parameters, if any. `of_module` builds a problem from any module.
    """

    inner: Loss
    outer: Callable[..., Tensor]
    optimiser: Optimiser
    compiled: bool = False
    max_kept_bytes: int = KEPT_BY_STEP
    module: FlatModule | None = None

    def __post_init__(self) -> None:
        for name, loss in (("inner", self.inner), ("outer", self.outer)):
            if isinstance(loss, nn.Module):
                raise ValueError(
                    f"{name} is a torch module ({type(loss).__name__}), not a function of flat parameters;"
                    " use InnerProblem.of_module(module, loss, optimiser)"
                )
        if not isinstance(self.inner, Loss):
            raise ValueError("inner has no `gradient` and `hvp`; wrap a function in AutogradLoss(function)")

    @classmethod
    def of_module(
        cls,
        module: nn.Module,
        loss: Callable[..., Tensor],
        optimiser: Optimiser,
        *,
        outer: Callable[..., Tensor] | None = None,
    ) -> "InnerProblem":
        """Return the inner loop that trains any torch module with any loss.

        loss: a scalar of (output, *targets), where a batch is (input, *targets); outer: the same for the
        batches of the outer loss, by default `loss`. The module itself is not changed. Raises ValueError for
        a module whose buffers change in training, such as batch norm's running statistics.
        """
        flat = FlatModule(module)

        def of_output(chosen: Callable[..., Tensor]) -> Callable[..., Tensor]:
            return lambda parameters, x, *targets: chosen(flat(parameters, x), *targets)

        return cls(AutogradLoss(of_output(loss)), of_output(outer or loss), optimiser, module=flat)

    def initial_parameters(self) -> Tensor:
        """Return a copy of the module's parameters (size,), from which `meta_gradient` can start.

        Raises ValueError for a problem that was not made by `of_module`.
        """
        if self.module is None:
            raise ValueError("this problem has no module to take parameters from; use InnerProblem.of_module")
        return self.module.initial_parameters()

    def fits(self, parameters: Tensor, batch: Batch) -> bool:
        """Return whether a step on this batch keeps its activations."""
        key = tuple(x.shape for x in (parameters, *batch))
        if key not in self._kept_bytes:
            self._kept_bytes[key] = self.inner.kept_bytes(parameters, batch)
        return 0 < self._kept_bytes[key] <= self.max_kept_bytes

    @cached_property
    def forward(self) -> Function:
        """(state, lr, corrections, *batch) -> (state after,)."""

        def forward(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            return self._forward(state, lr, corrections, batch)[:1]

        return self._part(forward, "the inner step")

    @cached_property
    def forward_keeping(self) -> Function:
        """Do a step like `forward`; return (state after, gradient, *activations)."""

        def keeping(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            return self._forward(state, lr, corrections, batch)

        return self._part(keeping, "the inner step with its activations")

    @cached_property
    def outer_loss_and_grad(self) -> Function:
        """(parameters, *tensors) -> (the outer loss, its gradient (size,))."""

        def outer(parameters: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            gradient, loss = torch.func.grad_and_value(self.outer)(parameters, *batch)
            return loss, gradient

        return self._part(outer, "the outer loss")

    def backward(self, n_tensors: int) -> Function:
        """Return the backward step for batches of `n_tensors` tensors.

        (before, after, cotangent, lr, corrections, *batch, *kept) -> (cotangent of the state before,
        derivative for lr, *derivatives for the batch); kept: from `forward_keeping`, or empty.
        """
        if n_tensors not in self._backwards:

            def backward(
                before: Tensor, after: Tensor, to: Tensor, lr: Tensor, corrections: Tensor, *rest: Tensor
            ) -> tuple[Tensor, ...]:
                batch, kept = rest[:n_tensors], rest[n_tensors:]
                kept = kept or self._gradient(before, batch)
                return self._backward(before, after, to, lr, corrections, batch, kept)

            self._backwards[n_tensors] = self._part(backward, "the backward step")
        return self._backwards[n_tensors]

    def corrections(self, steps: int, like: Tensor, *, plain: int = 0) -> Tensor:
        """Return the optimiser's corrections (steps, k) of the first steps, beside `like`.

        plain: the number of first steps that are not differentiated.
        """
        key = like.device, like.dtype, stream_number(like.device)
        if key not in self._corrections or len(self._corrections[key]) < steps:
            rows = [self.optimiser.corrections(step + 1) for step in range(2 * steps)]  # more may be needed
            (self._corrections[key],) = send([torch.tensor(rows, dtype=like.dtype)], like.device)
        found, rule = self._corrections[key][:steps], self.optimiser
        return rule.before_window(found, plain) if isinstance(rule, Adam) else found

    @cached_property
    def captured(self) -> dict[object, Any]:
        """Unrolls and trainings whose programs are captured, to be used again."""
        return {}

    @cached_property
    def _corrections(self) -> dict[tuple[torch.device, torch.dtype, int], Tensor]:
        return {}

    @cached_property
    def _kept_bytes(self) -> dict[tuple[torch.Size, ...], int]:
        return {}

    @cached_property
    def _backwards(self) -> dict[int, Function]:
        return {}

    def _part(self, function: Function, name: str) -> Function:
        return Compiled(function, name) if self.compiled else function

    def _gradient(self, state: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        found = self.inner.gradient(state[0], batch)
        return found.parameters, *found.kept

    def _forward(self, state: Tensor, lr: Tensor, corrections: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        gradient, *kept = self._gradient(state, batch)
        return self.optimiser.update(state, gradient, lr, corrections.unbind()), gradient, *kept

    def _backward(
        self,
        before: Tensor,
        after: Tensor,
        to: Tensor,
        lr: Tensor,
        corrections: Tensor,
        batch: Batch,
        kept: Batch,
    ) -> tuple[Tensor, ...]:
        gradient, *activations = kept
        adjoint = self.optimiser.adjoint(after, gradient, to, lr, corrections.unbind())
        product = self.inner.hvp(before[0], batch, adjoint.direction, activations)
        cotangent = torch.cat([(adjoint.state[0] + product.parameters)[None], adjoint.state[1:]])
        return cotangent, adjoint.lr, *product.batch
