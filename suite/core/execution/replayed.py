"""A loss whose value and gradient a GPU replays as one CUDA graph."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from suite.core.execution.graphs import Graphs


@dataclass(frozen=True)
class ReplayedLoss:
    """A scalar function of tensors, of which the first is differentiated.

    function: pure, and the same for all calls of this object. Elsewhere than on a GPU it is called.
    """

    function: Callable[..., Tensor]
    graphs: Graphs = field(default_factory=Graphs)

    @classmethod
    def on(cls, device: torch.device, function: Callable[..., Tensor]) -> "ReplayedLoss":
        """Return the loss; its calls are replayed if `device` is a GPU."""
        return cls(function, Graphs.on(device))

    def __call__(self, value: Tensor, *others: Tensor) -> Tensor:
        """Return the loss, differentiable in `value` once."""
        if not self.graphs.capturing:
            return self.function(value, *others)
        given = (value.detach(), *(other.detach() for other in others))
        fixed = [self.graphs.fix(place, each) for place, each in enumerate(given)]
        self.graphs.run(tuple(each.shape for each in fixed), partial(self._differentiate, *fixed))
        known = self.graphs["loss"], self.graphs["gradient", value.shape]
        loss: Tensor = _Differentiated.apply(value, *known)  # type: ignore[no-untyped-call]
        return loss

    @torch.enable_grad()
    def _differentiate(self, value: Tensor, *others: Tensor) -> None:
        leaf = value.detach().requires_grad_()
        loss = self.function(leaf, *others)
        self.graphs.hold(("gradient", leaf.shape), torch.autograd.grad(loss, leaf)[0])
        self.graphs.hold("loss", loss.detach())


class _Differentiated(Function):
    """A loss whose gradient is known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient.clone())  # the next replay overwrites it
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, to: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return to * gradient, None, None
