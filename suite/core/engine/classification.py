"""Classification as an inner problem: the steps of a network by name, and a real batch in chunks."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from suite.core.engine import compiling
from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import AutogradLoss, Batch, LayerwiseLoss, Loss, Objective
from suite.core.engine.optimisers import Optimiser
from suite.core.networks.layers import Lowering
from suite.core.networks.named import Network, Shape, network
from suite.core.precision import Precision, operands

MIN_COMPILED_STEPS, NUMBERS_PER_STEP = 3_000, 5e4
"""A compilation takes ten seconds and more, longer for more layers, and three where an earlier process has
left its result on the disk. It saves some milliseconds of a small step, more for more layers, and is worth
its time from so many of these on; on a CPU it saves as much again for every so many numbers that a layer
gives: `tests/benchmarks/compiling.py`. A GPU is taken to wait as long for small steps as for large ones,
which is not measured."""

CHUNK = {"cpu": 32, "cuda": 256}
"""Real images at once: on a CPU what its cache holds, on a GPU what fills it within 2 GB."""


def classification(
    name: str,
    shape: Shape,
    classes: int,
    *,
    optimiser: Optimiser,
    precision: Precision,
    compiled: bool,
    objective: Objective = cross_entropy,
) -> InnerProblem:
    """Return the steps of training the network `name` by cross-entropy with soft targets.

    objective: another loss of (logits, targets). The inner batches are (images, targets), the outer
    ones what `chunks` yields.
    """
    compiled = compiled and compiling.allowed()
    net = network(name, shape, classes, Lowering(written=compiled, operands=operands(precision)))
    return steps_of(net, optimiser, compiled=compiled, objective=objective)


def steps_of(
    net: Network, optimiser: Optimiser, *, compiled: bool = False, objective: Objective = cross_entropy
) -> InnerProblem:
    """Return the steps of training `net`, whose layers are written out where they are to be compiled."""
    return InnerProblem(_inner(net, compiled, objective), _weighted(net), optimiser, compiled)


def worth_compiling(net: Network, *, batch: int, steps: int, device: torch.device) -> bool:
    """Return whether so many steps on batches of so many images are worth compiling.

    Of an unroll only the steps in the window count: the way back takes most of its time, and of compiling's.
    """
    if not compiling.allowed():
        return False
    worth = 1 + net.outputs(batch) / NUMBERS_PER_STEP if device.type == "cpu" else 1
    return steps * worth >= MIN_COMPILED_STEPS


def chunks(images: Tensor, labels: Tensor) -> Iterator[Batch]:
    """Yield (images, labels, weights) of equal sizes, which together are the mean over a real batch.

    The last is filled up with images of weight zero: each size would be compiled anew.
    """
    size = min(CHUNK[images.device.type], len(images))
    for start in range(0, len(images), size):
        index = torch.arange(start, start + size, device=images.device)
        inside = index < len(images)
        index = index.clamp(max=len(images) - 1)
        yield images[index], labels[index], inside.to(images) / len(images)


def _inner(net: Network, compiled: bool, objective: Objective) -> Loss:
    if compiled:
        return LayerwiseLoss(net, objective)
    return AutogradLoss(lambda parameters, x, targets: objective(net.logits(parameters, x), targets))


def _weighted(net: Network) -> Callable[..., Tensor]:
    def loss(parameters: Tensor, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        scores = log_softmax(net.logits(parameters, images), 1)
        return -(weights * scores.gather(1, labels[:, None])[:, 0]).sum()

    return loss
