"""Classification as an inner problem: the steps of a network by name, and a real batch in chunks."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from suite.core import compiling
from suite.core.layers import Form
from suite.core.losses import AnyLoss, Batch, Classification, Loss, Objective
from suite.core.networks import Network, Shape, network
from suite.core.optimisers import Optimiser
from suite.core.precision import Precision, operands
from suite.core.steps import Steps

MANY, MANY_BACK, FEW, WORK = 3_000, 1_000, 500, 2e12
"""A compilation takes twenty seconds and more, and three where an earlier process has left its result on
the disk. Of a small network's step it saves some milliseconds, of one walked back some tens of them: it is
worth its time from so many steps on; never for fewer than a few; and in between where all their products
take so many operations."""

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
) -> Steps:
    """Return the steps of training the network `name` by cross-entropy with soft targets.

    objective: another loss of (logits, targets). The inner batches are (images, targets), the outer
    ones what `chunks` yields.
    """
    compiled = compiled and compiling.allowed()
    net = network(name, shape, classes, Form(written=compiled, operands=operands(precision)))
    return steps_of(net, optimiser, compiled=compiled, objective=objective)


def steps_of(
    net: Network, optimiser: Optimiser, *, compiled: bool = False, objective: Objective = cross_entropy
) -> Steps:
    """Return the steps of training `net`, whose layers are written out where they are to be compiled."""
    return Steps(_inner(net, compiled, objective), _weighted(net), optimiser, compiled)


def pays(net: Network, *, batch: int, steps: int, back: int = 0) -> bool:
    """Return whether steps on batches of so many images are worth compiling; `back` of them are walked back."""
    if steps < FEW or not compiling.allowed():
        return False
    return steps >= MANY or back >= MANY_BACK or steps * net.work(batch) >= WORK


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
        return Classification(net, objective)
    return AnyLoss(lambda parameters, x, targets: objective(net.logits(parameters, x), targets))


def _weighted(net: Network) -> Callable[..., Tensor]:
    def loss(parameters: Tensor, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        scores = log_softmax(net.logits(parameters, images), 1)
        return -(weights * scores.gather(1, labels[:, None])[:, 0]).sum()

    return loss
