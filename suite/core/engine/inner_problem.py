"""The pieces of an unroll, each a pure function of tensors for one step, compiled where asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from suite.core.engine.compiling import Compiled, Function
from suite.core.engine.losses import Batch, Loss
from suite.core.engine.optimisers import Optimiser

MAX_KEPT_BYTES = 16 * 2**20
"""A step's activations are kept for the way back if they take no more bytes: a third less to do."""


@dataclass(frozen=True)
class InnerProblem:
    """An inner problem and how it is trained.

    inner: the loss of a step; outer: a scalar of (final parameters, *tensors); compiled: whether the
    pieces are compiled; `inner.pays` says when that is worth it; keep: bytes of activations that a step may
    keep.
    """

    inner: Loss
    outer: Callable[..., Tensor]
    optimiser: Optimiser
    compiled: bool = False
    keep: int = MAX_KEPT_BYTES

    def keeps(self, parameters: Tensor, batch: Batch) -> bool:
        """Return whether the activations of a step on such a batch are few enough to keep."""
        key = tuple(x.shape for x in (parameters, *batch))
        if key not in self._sizes:
            without_data = [torch.empty_like(x, device="meta") for x in (parameters, *batch)]
            kept = self.inner.gradient(without_data[0], without_data[1:]).kept
            self._sizes[key] = sum(x.nbytes for x in kept)
        return 0 < self._sizes[key] <= self.keep

    @cached_property
    def forward(self) -> Function:
        """(state, lr, corrections, *batch) -> (state after,)."""

        def forward(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            return self._forward(state, lr, corrections, batch)[:1]

        return self._piece(forward, "the inner step")

    @cached_property
    def keeping(self) -> Function:
        """As `forward`, -> (state after, gradient, *activations)."""

        def keeping(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            return self._forward(state, lr, corrections, batch)

        return self._piece(keeping, "the inner step with its activations")

    @cached_property
    def stacked(self) -> Function:
        """As `forward` for many networks, along the first axis of states, lr and each of the batch."""

        def one(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> Tensor:
            return self._forward(state, lr, corrections, batch)[0]

        def stacked(state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            axes = 0, 0, None, *(0 for _ in batch)
            return (torch.func.vmap(one, axes)(state, lr, corrections, *batch),)

        return self._piece(stacked, "the inner step of a stack")

    @cached_property
    def judge(self) -> Function:
        """(parameters, *tensors) -> (gradient of the outer loss, the loss)."""

        def judge(parameters: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
            gradient, loss = torch.func.grad_and_value(self.outer)(parameters, *batch)
            return gradient, loss

        return self._piece(judge, "the outer loss")

    def back(self, size: int) -> Function:
        """Return the step back, for batches of `size` tensors.

        (before, after, cotangent, lr, corrections, *batch, *kept) -> (cotangent of the state before,
        derivative for lr, *derivatives for the batch); kept: what `keeping` returned, or nothing.
        """
        if size not in self._backs:

            def back(
                before: Tensor, after: Tensor, to: Tensor, lr: Tensor, corrections: Tensor, *rest: Tensor
            ) -> tuple[Tensor, ...]:
                kept = rest[size:] or self._gradient(before, rest[:size])
                return self._back(before, after, to, lr, corrections, rest[:size], kept)

            self._backs[size] = self._piece(back, "the step back")
        return self._backs[size]

    @cached_property
    def _sizes(self) -> dict[tuple[torch.Size, ...], int]:
        return {}

    @cached_property
    def _backs(self) -> dict[int, Function]:
        return {}

    def _piece(self, function: Function, name: str) -> Function:
        return Compiled(function, name) if self.compiled else function

    def _gradient(self, state: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        found = self.inner.gradient(state[0], batch)
        return found.parameters, *found.kept

    def _forward(self, state: Tensor, lr: Tensor, corrections: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        gradient, *kept = self._gradient(state, batch)
        return self.optimiser.update(state, gradient, lr, corrections.unbind()), gradient, *kept

    def _back(
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
        pulled = self.inner.hvp(before[0], batch, adjoint.direction, activations)
        carried = torch.cat([(adjoint.state[0] + pulled.parameters)[None], adjoint.state[1:]])
        return carried, adjoint.lr, *pulled.batch
