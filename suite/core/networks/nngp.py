"""The kernel of infinitely wide networks (NNGP), estimated from features of random finite ones.

RFAD: Loo, Hasani, Amini and Rus, "Efficient dataset distillation using random feature approximation",
NeurIPS 2022, arXiv 2210.12067. The kernel is the expectation over Gaussian weights of the last layer: for
M features f of each of N networks it is 2 / (N M) Σ f f' + 0.01.
"""

import torch
from torch import Tensor

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network

WEIGHTS, BIAS = 2**0.5, 0.1
"""Standard deviations of weights, times sqrt(fan in), and of biases."""


def random_networks(network: Network, count: int, rng: torch.Generator) -> Tensor:
    """Sample Gaussian parameters (count, size) of `count` networks; norms have scale one and shift zero."""

    def one() -> Tensor:
        return torch.cat([part.flatten() for layer in network.layers for part in _gaussian(layer, rng)])

    return torch.stack([one() for _ in range(count)])


def random_features(network: Network, drawn: Tensor, images: Tensor) -> Tensor:
    """Return features (n, N M + 1) of images, whose inner products are the kernel; drawn: (N, size).

    Batch norms normalise by these images.
    """
    found = torch.cat([network.features(parameters, images) for parameters in drawn], 1)
    constant = found.new_full((len(found), 1), BIAS)
    return torch.cat([found * (WEIGHTS / found.shape[1] ** 0.5), constant], 1)


def _gaussian(layer: Layer, rng: torch.Generator) -> list[Tensor]:
    """Sample a layer's parameters: (outputs, …) weights scaled by their fan in, then biases."""
    if layer.parts:
        return [part for each in layer.parts for part in _gaussian(each, rng)]
    if layer.scale:
        return layer.initialise(rng)
    deviations = [
        WEIGHTS / torch.Size(shape[1:]).numel() ** 0.5 if len(shape) > 1 else BIAS for shape in layer.shapes
    ]
    return [
        torch.randn(shape, generator=rng) * deviation
        for shape, deviation in zip(layer.shapes, deviations, strict=True)
    ]
