"""The meta-gradient: a scalar of the final parameters, differentiated through inner training.

The inner loop trains flat parameters θ on a synthetic set. The engine builds no graph over the window. It
keeps the optimiser's state of every step and goes back step by step: the adjoint of the optimiser, then one
product with the second derivatives of the step's loss. Memory grows by one state per step instead of a
network's activations. The result is exact.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import torch
from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import Scalar
from suite.core.engine.truncation import Window
from suite.core.timing import phase

Batches = Callable[[int], Batch]
"""Map an inner step, from 0, to its batch, differentiable in the inputs; equal at every call."""


@dataclass(frozen=True)
class MetaGradient:
    """The outer loss, and its derivatives for the inputs and the learning rate.

    loss: a scalar; gradients: shaped like the inputs; lr: a scalar; state_sums: (steps,) the sum of the
    parameters and moments after each inner step, finite only if all of them are. Creating it does not wait
    for a device.
    """

    loss: Tensor
    gradients: tuple[Tensor, ...]
    lr: Tensor
    state_sums: Tensor

    @property
    def finite(self) -> Tensor:
        """Whether loss and gradients are finite: a 0-dim bool."""
        return torch.stack([x.isfinite().all() for x in (self.loss, *self.gradients)]).all()

    def first_nonfinite(self) -> str:
        """Return the name of the first non-finite value, or ""; waits for the device."""
        if bad := (~self.state_sums.isfinite()).nonzero().flatten().tolist():
            return f"the parameters after inner step {bad[0] + 1} of {len(self.state_sums)}"
        if not self.loss.isfinite():
            return "the outer loss"
        wrong = [index for index, value in enumerate(self.gradients) if not value.isfinite().all()]
        return f"the meta-gradient of input {wrong[0]}" if wrong else ""


def average(found: Sequence[MetaGradient]) -> MetaGradient:
    """Return the mean over inner networks, with the state sums of all networks."""
    return MetaGradient(
        torch.stack([one.loss for one in found]).mean(),
        tuple(torch.stack(values).mean(0) for values in zip(*(x.gradients for x in found), strict=True)),
        torch.stack([one.lr for one in found]).mean(),
        torch.cat([one.state_sums for one in found]),
    )


def meta_gradient(
    problem: InnerProblem,
    parameters: Tensor,
    inputs: Sequence[Tensor],
    batches: Batches,
    real: Iterable[Batch],
    *,
    window: Window,
    lr: Scalar | None = None,
    checkpoint_every: int | None = None,
) -> MetaGradient:
    """Train for `window.before` plain and `window.length` differentiated steps; differentiate the outer loss.

    parameters: (size,), the initial values. inputs: leaf tensors that require gradients, from which `batches`
    computes the batch of each inner step. real: batches over which the outer loss is summed. lr: overrides
    the learning rate of the optimiser. checkpoint_every: keep every n-th state of the window and recompute
    the others, to save memory; None keeps all.

    Raises ValueError for an input that is not a leaf or does not require gradients, for batches that do not
    depend on the inputs, for `real` without a batch or with an empty one, and for checkpoint_every below 1.

    Example:
        >>> import torch, suite
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> images, labels = torch.ones(3, 1, 2, 2, requires_grad=True), torch.tensor([0, 1, 0])
        >>> real = torch.zeros(5, 1, 2, 2), torch.tensor([0, 1, 0, 1, 1])
        >>> loss = torch.nn.functional.cross_entropy
        >>> problem = suite.InnerProblem.of_module(net, loss, suite.SGD(lr=0.1))
        >>> found = suite.meta_gradient(
        ...     problem,
        ...     problem.initial_parameters(),
        ...     [images],
        ...     lambda step: (images, labels),
        ...     [real],
        ...     window=suite.Window(0, 10),
        ... )
        >>> found.gradients[0].shape
        torch.Size([3, 1, 2, 2])
    """
    if checkpoint_every is not None and checkpoint_every < 1:
        raise ValueError(f"checkpoint_every {checkpoint_every} must be at least 1")
    for index, value in enumerate(inputs):
        if not (value.is_leaf and value.requires_grad):
            raise ValueError(
                f"input {index} must be a leaf tensor that requires gradients;"
                " pass value.detach().requires_grad_(), and make the batches from it"
            )
    batches_of_real = iter(real)
    if (first := next(batches_of_real, None)) is None:
        raise ValueError("real has no batch, which the outer loss needs; pass at least one")
    unroll = _Unroll(problem, tuple(inputs), batches, parameters, window, lr)
    return unroll.backward(parameters, chain([first], batches_of_real), checkpoint_every or window.length)


@dataclass(frozen=True)
class _StepRecord:
    """A step of the window: its number, the states before and after, and kept activations."""

    step: int
    before: Tensor
    after: Tensor
    kept: tuple[Tensor, ...]


class _Unroll:
    """State of one forward pass and its backward pass."""

    def __init__(
        self,
        problem: InnerProblem,
        inputs: tuple[Tensor, ...],
        batches: Batches,
        parameters: Tensor,
        window: Window,
        lr: Scalar | None,
    ) -> None:
        self.problem, self.inputs, self.batches, self.window = problem, inputs, batches, window
        self.end = window.before + window.length
        rate = problem.optimiser.lr if lr is None else lr
        self.lr = torch.as_tensor(rate, dtype=parameters.dtype).detach().to(parameters.device)
        rows = [problem.optimiser.corrections(step + 1) for step in range(self.end)]
        self.corrections = torch.tensor(rows, dtype=parameters.dtype).to(parameters.device)
        self.gradients = [torch.zeros_like(value) for value in inputs]
        self.to_lr = torch.zeros_like(self.lr)
        self.reached = not inputs  # whether a batch of the window depends on an input
        self.state_sums: dict[int, Tensor] = {}

    @torch.no_grad()
    def backward(self, parameters: Tensor, real: Iterable[Batch], checkpoint_every: int) -> MetaGradient:
        """Run forward from `parameters` with checkpoints, then backward through the window."""
        with phase("steps before the window"):
            state = self._forward(self.problem.optimiser.start(parameters), range(self.window.before))
        starts = [*range(self.window.before, self.end, checkpoint_every), self.end]
        checkpoints = [state]
        with phase("window forward"):
            for start, end in pairwise(starts[:-1]):
                checkpoints.append(self._forward(checkpoints[-1], range(start, end)))
            taken = self._forward_keeping(checkpoints[-1], range(*starts[-2:]))
        with phase("real batch"):
            loss, cotangent = self._outer(taken[-1].after, real)
        cotangent = self._backward_steps(taken, cotangent)
        for (start, end), checkpoint in reversed(list(zip(pairwise(starts[:-1]), checkpoints, strict=False))):
            with phase("window forward"):
                taken = self._forward_keeping(checkpoint, range(start, end))
            cotangent = self._backward_steps(taken, cotangent)
        if not self.reached:
            raise ValueError("no batch of the window depends on the inputs; make the batches from them")
        sums = torch.stack([self.state_sums[step] for step in range(self.end)])
        return MetaGradient(loss, tuple(self.gradients), self.to_lr, sums)

    def _batch(self, step: int) -> tuple[Tensor, ...]:
        with phase("batches"):
            return tuple(self.batches(step))

    def _forward(self, state: Tensor, steps: range) -> Tensor:
        for step in steps:
            (state,) = self.problem.forward(state, self.lr, self.corrections[step], *self._batch(step))
            self.state_sums[step] = state.sum()
        return state

    def _forward_keeping(self, state: Tensor, steps: range) -> list[_StepRecord]:
        taken = list[_StepRecord]()
        for step in steps:
            batch = self._batch(step)
            fits = self.problem.fits(state[0], batch)
            part = self.problem.forward_keeping if fits else self.problem.forward
            after, *kept = part(state, self.lr, self.corrections[step], *batch)
            taken.append(_StepRecord(step, state, after, tuple(kept)))
            state, self.state_sums[step] = after, after.sum()
        return taken

    def _outer(self, state: Tensor, real: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Return the outer loss and the cotangent of the final state; only one batch is in memory."""
        cotangent, loss = torch.zeros_like(state), torch.zeros_like(self.lr)
        for batch in real:
            if batch and not len(batch[0]):
                raise ValueError("a real batch has no images, so its loss is not a number; leave it out")
            part, gradient = self.problem.outer_loss_and_grad(state[0], *batch)
            cotangent[0] += gradient
            loss += part
        return loss, cotangent

    def _backward_steps(self, taken: list[_StepRecord], cotangent: Tensor) -> Tensor:
        with phase("window backward"):
            while taken:  # free a step's activations after it
                cotangent = self._backward_step(taken.pop(), cotangent)
        return cotangent

    def _backward_step(self, taken: _StepRecord, cotangent: Tensor) -> Tensor:
        """Return the cotangent before a step; add the step's contribution to the inputs' gradients."""
        with torch.enable_grad():
            batch = self._batch(taken.step)
        given = [value.detach() for value in batch]
        part = self.problem.backward(len(batch))
        state, lr, *parts = part(
            taken.before, taken.after, cotangent, self.lr, self.corrections[taken.step], *given, *taken.kept
        )
        self.to_lr += lr
        moving = [(value, part) for value, part in zip(batch, parts, strict=True) if value.requires_grad]
        if moving:
            values, cotangents = zip(*moving, strict=True)
            with phase("batches backward"):
                found = torch.autograd.grad(values, self.inputs, cotangents, allow_unused=True)
            for total, gradient in zip(self.gradients, found, strict=True):
                if gradient is not None:
                    total += gradient
                    self.reached = True
        return state
