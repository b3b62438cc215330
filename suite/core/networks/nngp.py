"""The kernel of infinitely wide networks (NNGP), estimated from features of random finite ones.

RFAD: Loo, Hasani, Amini and Rus, "Efficient dataset distillation using random feature approximation",
NeurIPS 2022, arXiv 2210.12067. The kernel is the expectation over Gaussian weights of the last layer: for
M features f of each of N networks it is 2 / (N M) Σ f f' + 0.01.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network

WEIGHTS, BIAS = 2**0.5, 0.1
"""Standard deviations of weights, times sqrt(fan in), and of biases."""


def random_networks(
    network: Network, count: int, rng: torch.Generator, device: torch.device | None = None
) -> Tensor:
    """Sample Gaussian parameters (count, size) of `count` networks; norms have scale one and shift zero.

    Raises ValueError for a network with batch norm.
    """
    network.check_independent()
    device = device or torch.device("cpu")
    parts = [part for layer in network.layers for part in _parts(layer)]
    sizes = [part.size for part in parts]
    drawn = torch.empty(count, network.size, pin_memory=device.type == "cuda")
    for row in drawn:
        for values, part in zip(row.split(sizes), parts, strict=True):
            if part.value is None:
                values.normal_(generator=rng)
            else:
                values.fill_(part.value)
    sent = drawn.to(device, non_blocking=True)
    for values, part in zip(sent.split(sizes, 1), parts, strict=True):
        values.mul_(part.deviation)
    return sent


def random_features(network: Network, drawn: Tensor, images: Tensor) -> Tensor:
    """Return features (n, N M + 1) of images, whose inner products are the kernel; drawn: (N, size)."""
    found = torch.cat([network.features(parameters, images) for parameters in drawn], 1)
    constant = found.new_full((len(found), 1), BIAS)
    return torch.cat([found * (WEIGHTS / found.shape[1] ** 0.5), constant], 1)


class _Part(NamedTuple):
    """Parameters of a layer: Gaussian ones with a standard deviation, or a norm's, which have one value."""

    size: int
    deviation: float = 1.0
    value: float | None = None


def _parts(layer: Layer) -> Iterator[_Part]:
    """Yield a layer's parameters in order: (outputs, …) weights scaled by their fan in, then biases."""
    for each in layer.parts:
        yield from _parts(each)
    for index, shape in enumerate(() if layer.parts else layer.shapes):
        if layer.scale:
            yield _Part(prod(shape), value=1.0 - index)
        else:
            yield _Part(prod(shape), WEIGHTS / prod(shape[1:]) ** 0.5 if len(shape) > 1 else BIAS)
