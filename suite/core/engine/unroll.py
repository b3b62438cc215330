"""The meta-gradient: a scalar of the final parameters, differentiated through inner training.

The inner loop trains flat parameters θ on a synthetic set. Instead of one graph over the whole window
the engine keeps the optimiser's state at every step, and walks back one step at a time: the adjoint
of the optimiser, then one product with the second derivatives of that step's loss. Memory grows by a
state a step, not by a network's activations. The result is exact.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import Scalar
from suite.core.engine.truncation import Window
from suite.core.timing import phase

Batches = Callable[[int], Batch]
"""An inner step, from 0 -> its batch, differentiable in the inputs; the same whenever it is asked."""


@dataclass(frozen=True)
class MetaGradient:
    """The outer loss (a scalar), and its derivative for each input and for the learning rate.

    gradients: shaped like the inputs; lr: a scalar; sums: of the parameters and moments after every
    inner step, not finite where one of these is not. Making it waits for no device.
    """

    loss: Tensor
    gradients: tuple[Tensor, ...]
    lr: Tensor
    sums: Tensor

    @property
    def finite(self) -> Tensor:
        """Whether loss and gradients are finite: a 0-dim bool."""
        return torch.stack([x.isfinite().all() for x in (self.loss, *self.gradients)]).all()

    def first_nonfinite(self) -> str:
        """Name what is not finite first, or nothing; waits for the device."""
        if bad := (~self.sums.isfinite()).nonzero().flatten().tolist():
            return f"the parameters after inner step {bad[0] + 1} of {len(self.sums)}"
        if not self.loss.isfinite():
            return "the outer loss"
        wrong = [index for index, value in enumerate(self.gradients) if not value.isfinite().all()]
        return f"the meta-gradient of input {wrong[0]}" if wrong else ""


def average(found: Sequence[MetaGradient]) -> MetaGradient:
    """Return the mean over several inner networks, with all their sums."""
    return MetaGradient(
        torch.stack([one.loss for one in found]).mean(),
        tuple(torch.stack(values).mean(0) for values in zip(*(x.gradients for x in found), strict=True)),
        torch.stack([one.lr for one in found]).mean(),
        torch.cat([one.sums for one in found]),
    )


def meta_gradient(
    steps: InnerProblem,
    parameters: Tensor,
    inputs: Sequence[Tensor],
    batches: Batches,
    real: Iterable[Batch],
    *,
    window: Window,
    lr: Scalar | None = None,
    segment: int | None = None,
) -> MetaGradient:
    """Train for `window.before` plain and `window.length` differentiated steps; differentiate.

    parameters: (size,) to start from; inputs: leaf tensors that require gradients; real: batches over
    which the outer loss is summed; lr: in place of the optimiser's; segment: how many states are held
    at once, where those of the whole window are too many: the others are computed twice.
    """
    if segment is not None and segment < 1:
        raise ValueError(f"segment {segment} must be at least 1")
    walk = _Unroll(steps, tuple(inputs), batches, parameters, window, lr)
    return walk.run(parameters, real, segment or window.length)


@dataclass(frozen=True)
class _StepRecord:
    """A step of the window: its number, the state before and after, and what was kept."""

    step: int
    before: Tensor
    after: Tensor
    kept: tuple[Tensor, ...]


class _Unroll:
    """One way there and back."""

    def __init__(
        self,
        steps: InnerProblem,
        inputs: tuple[Tensor, ...],
        batches: Batches,
        parameters: Tensor,
        window: Window,
        lr: Scalar | None,
    ) -> None:
        self.steps, self.inputs, self.batches, self.window = steps, inputs, batches, window
        self.end = window.before + window.length
        rate = steps.optimiser.lr if lr is None else lr
        self.lr = torch.as_tensor(rate, dtype=parameters.dtype).detach().to(parameters.device)
        rows = [steps.optimiser.corrections(step + 1) for step in range(self.end)]
        self.corrections = torch.tensor(rows, dtype=parameters.dtype).to(parameters.device)
        self.gradients = [torch.zeros_like(value) for value in inputs]
        self.to_lr = torch.zeros_like(self.lr)
        self.sums: dict[int, Tensor] = {}

    @torch.no_grad()
    def run(self, parameters: Tensor, real: Iterable[Batch], segment: int) -> MetaGradient:
        with phase("steps before the window"):
            state = self._plain(self.steps.optimiser.start(parameters), range(self.window.before))
        starts = [*range(self.window.before, self.end, segment), self.end]
        anchors = [state]
        with phase("window forward"):
            for start, end in pairwise(starts[:-1]):
                anchors.append(self._plain(anchors[-1], range(start, end)))
        cotangent = loss = None
        for (start, end), anchor in reversed(list(zip(pairwise(starts), anchors, strict=True))):
            with phase("window forward"):
                taken = self._differentiated(anchor, range(start, end))
            if cotangent is None:
                with phase("real batch"):
                    loss, cotangent = self._judge(taken[-1].after, real)
            with phase("walk back"):
                while taken:
                    cotangent = self._back(taken.pop(), cotangent)
        assert loss is not None  # a window has a step
        sums = torch.stack([self.sums[step] for step in range(self.end)])
        return MetaGradient(loss, tuple(self.gradients), self.to_lr, sums)

    def _batch(self, step: int) -> tuple[Tensor, ...]:
        with phase("batches"):
            return tuple(self.batches(step))

    def _plain(self, state: Tensor, steps: range) -> Tensor:
        for step in steps:
            (state,) = self.steps.forward(state, self.lr, self.corrections[step], *self._batch(step))
            self.sums[step] = state.sum()
        return state

    def _differentiated(self, state: Tensor, steps: range) -> list[_StepRecord]:
        taken = list[_StepRecord]()
        for step in steps:
            batch = self._batch(step)
            piece = self.steps.keeping if self.steps.keeps(state[0], batch) else self.steps.forward
            after, *kept = piece(state, self.lr, self.corrections[step], *batch)
            taken.append(_StepRecord(step, state, after, tuple(kept)))
            state, self.sums[step] = after, after.sum()
        return taken

    def _judge(self, state: Tensor, real: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Return the outer loss and the cotangent of the final state; memory for one batch at a time."""
        cotangent, loss = torch.zeros_like(state), torch.zeros_like(self.lr)
        for batch in real:
            gradient, part = self.steps.judge(state[0], *batch)
            cotangent[0] += gradient
            loss += part
        return loss, cotangent

    def _back(self, taken: _StepRecord, cotangent: Tensor) -> Tensor:
        """Walk back through one step, adding up what reaches the inputs on the way."""
        with torch.enable_grad():
            batch = self._batch(taken.step)
        given = [value.detach() for value in batch]
        piece = self.steps.back(len(batch))
        state, lr, *parts = piece(
            taken.before, taken.after, cotangent, self.lr, self.corrections[taken.step], *given, *taken.kept
        )
        self.to_lr += lr
        moving = [(value, part) for value, part in zip(batch, parts, strict=True) if value.requires_grad]
        if moving:
            values, cotangents = zip(*moving, strict=True)
            with phase("batches back"):
                found = torch.autograd.grad(values, self.inputs, cotangents, allow_unused=True)
            for total, gradient in zip(self.gradients, found, strict=True):
                if gradient is not None:
                    total += gradient
        return state
