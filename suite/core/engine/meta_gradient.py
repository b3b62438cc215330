"""The meta-gradient: a scalar of the final parameters, differentiated through inner training.

The inner loop trains flat parameters θ on a synthetic set. The engine builds no graph over the window. It
keeps the optimiser's state of every step and goes back step by step: the adjoint of the optimiser, then one
product with the second derivatives of the step's loss. Memory grows by one state per step instead of a
network's activations. The result is exact.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import Scalar
from suite.core.engine.steps import AHEAD, reused
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import Given, MetaGradient, Unroll
from suite.core.execution.graphs import Graphs

Batches = Callable[[int], Batch]
"""Map an inner step, from 0, to its batch, differentiable in the inputs; equal at every call."""


@dataclass(frozen=True)
class StackedBatches:
    """Batches of one shape, made for several steps at once; a GPU then replays steps as CUDA graphs.

    make: maps consecutive inner steps to tensors (steps, n, …), differentiable in the inputs; equal at every
    call.
    """

    make: Callable[[range], Batch]


def average(found: Sequence[MetaGradient]) -> MetaGradient:
    """Return the mean over inner networks, with the state sums and the final parameters of all networks."""
    return MetaGradient(
        torch.stack([one.loss for one in found]).mean(),
        tuple(torch.stack(values).mean(0) for values in zip(*(x.gradients for x in found), strict=True)),
        torch.stack([one.lr for one in found]).mean(),
        torch.cat([one.state_sums for one in found]),
        tuple(final for one in found for final in one.final),
    )


def meta_gradient(
    problem: InnerProblem,
    parameters: Tensor,
    inputs: Sequence[Tensor],
    batches: Batches | StackedBatches,
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
    rate = problem.optimiser.lr if lr is None else lr
    given = Given(
        tuple(inputs),
        _counted_from_window(batches, window),
        chain([first], batches_of_real),
        window,
        _scalar(rate, parameters),
        problem.corrections(window.before + window.length, parameters, plain=window.before),
    )
    stacked = isinstance(batches, StackedBatches) and checkpoint_every is None
    unroll = _unroll(problem, parameters, given) if stacked else Unroll(problem, Graphs(), 1)
    return unroll.run(given, parameters, checkpoint_every or window.length)


def _counted_from_window(batches: Batches | StackedBatches, window: Window) -> Callable[[range], Batch]:
    """Return stacked batches of steps that are counted from the window's first one."""
    first = window.before
    if isinstance(batches, StackedBatches):
        make = batches.make
        return lambda slots: make(range(first + slots.start, first + slots.stop))
    return lambda slots: tuple(value[None] for value in batches(first + slots.start))


def _scalar(value: Scalar, like: Tensor) -> Tensor:
    """Return a number as a 0-dim tensor beside `like`, without a copy from the host."""
    if isinstance(value, Tensor):
        return value.detach().to(like)
    return torch.full((), value, dtype=like.dtype, device=like.device)


def _unroll(problem: InnerProblem, parameters: Tensor, given: Given) -> Unroll:
    """Return an unroll, which on a GPU is used again for batches of one shape."""
    shapes, ahead = tuple[torch.Size, ...](), AHEAD[parameters.device.type]
    if parameters.is_cuda:
        with torch.no_grad():
            shapes = tuple(value.shape[1:] for value in given.batch(range(1)))
    key = "unroll", parameters.shape, shapes
    return reused(problem, parameters, key, lambda graphs: Unroll(problem, graphs, ahead))
