"""The training of a classification network as an inner problem, and real batches in chunks."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from suite.core.engine.inner_problem import InnerProblem, max_kept_bytes
from suite.core.engine.losses import (
    AutogradLoss,
    Batch,
    FlatLoss,
    Flatness,
    LayerwiseLoss,
    Loss,
    Objective,
)
from suite.core.engine.optimisers import Optimiser
from suite.core.execution import compiling
from suite.core.networks.layers import PLAIN, Lowering
from suite.core.networks.named import Network, network
from suite.core.precision import Precision

MIN_COMPILED_STEPS, NUMBERS_PER_STEP = 3_000, 5e4
"""Compiling costs about 10 s (3 s from the disk cache) and saves milliseconds per step.

MIN_COMPILED_STEPS is the break-even number of steps for small layers. On a CPU every NUMBERS_PER_STEP outputs
of a layer save the same time again (`tests/benchmarks/compiling.py`). On a GPU the saving is assumed to be
the same for small and large steps; this is not measured.
"""

CHUNK = {"cpu": 32, "cuda": 256}
"""Real images per chunk: they fit a CPU's cache, or fill a GPU with at most 2 GB."""


def inner_problem(
    net: Network,
    optimiser: Optimiser,
    *,
    steps: int = 0,
    batch: int = 1,
    window: int = 1,
    device: torch.device | None = None,
    compiled: bool | None = None,
    precision: Precision = "float32",
    objective: Objective = cross_entropy,
    flatness: Flatness | None = None,
    outer: Callable[..., Tensor] | None = None,
) -> InnerProblem:
    """Return the training of `net` by a loss of logits and soft targets.

    steps, batch, device: planned inner steps, images per step, and device, for `worth_compiling`. window: the
    most steps of a window. compiled: overrides the decision to compile. objective: a loss of (logits,
    targets). flatness: of a training that seeks flat minima. outer: a scalar of (final parameters, *tensors);
    by default the cross-entropy of the batches from `chunks`.
    """
    device = device or torch.device("cpu")
    if compiled is None:
        compiled = worth_compiling(net, batch=batch, steps=steps, device=device)
    compiled = compiled and compiling.allowed()
    patches = not compiled or device.type == "cpu"
    dtype = torch.bfloat16 if precision == "bf16" else None
    lowering = Lowering(decomposed=compiled, patches=patches, dtype=dtype)
    if lowering != PLAIN:
        net = network(net.name, net.shape, net.classes, lowering)
    loss = _loss(net, compiled, objective)
    return InnerProblem(
        FlatLoss(loss, flatness) if flatness else loss,
        outer or _weighted_cross_entropy(net),
        optimiser,
        compiled,
        max_kept_bytes(device, window),
    )


def worth_compiling(net: Network, *, batch: int, steps: int, device: torch.device) -> bool:
    """Return whether `steps` steps on batches of `batch` images are worth compiling.

    For an unroll, count only the steps in the window: the backward pass takes most of the time, also of the
    compilation.
    """
    if not compiling.allowed():
        return False
    worth = 1 + net.outputs(batch) / NUMBERS_PER_STEP if device.type == "cpu" else 1
    return steps * worth >= MIN_COMPILED_STEPS


def chunks(images: Tensor, labels: Tensor, *, whole: bool = False) -> Iterator[Batch]:
    """Yield (images, labels, weights) of equal sizes; their losses add up to the mean over a real batch.

    The last chunk is padded with images of weight zero, since each size would be compiled anew. whole: as one
    chunk, which a network with batch norm needs. Raises ValueError without images.
    """
    if not len(images):
        raise ValueError("the real batch has no images")
    size = len(images) if whole else min(CHUNK[images.device.type], len(images))
    for start in range(0, len(images), size):
        seen, truth = images[start : start + size], labels[start : start + size]
        weights = images.new_ones(len(seen)) / len(images)
        if missing := size - len(seen):
            seen = torch.cat([seen, images[-1:].expand(missing, *images.shape[1:])])
            truth = torch.cat([truth, labels[-1:].expand(missing, *labels.shape[1:])])
            weights = torch.cat([weights, weights.new_zeros(missing)])
        yield seen, truth, weights


def _loss(net: Network, compiled: bool, objective: Objective) -> Loss:
    if compiled:
        return LayerwiseLoss(net, objective)
    return AutogradLoss(lambda parameters, x, targets: objective(net.logits(parameters, x), targets))


def _weighted_cross_entropy(net: Network) -> Callable[..., Tensor]:
    def loss(parameters: Tensor, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        scores = log_softmax(net.logits(parameters, images), 1)
        return -(weights * scores.gather(1, labels[:, None])[:, 0]).sum()

    return loss
