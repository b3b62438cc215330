"""Small codes that are easily decoded by hand."""

import torch

from suite.core.seeding import generator
from suite.core.sets.codes import Linear, MultiFormation, Parametrisation
from suite.core.sets.parametrisations import Frequencies


def linear(height: int = 2, width: int = 2) -> Linear:
    """Two bases of 2x2 pixels; two classes of three images."""
    bases = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 1.0], [0.0, 0.0]]]])
    coefficients = torch.tensor(
        [[[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]], [[0.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]]
    )
    return Linear(bases, coefficients, height, width)


def formation(side: int = 4, factor: int = 2) -> MultiFormation:
    return MultiFormation(torch.arange(2.0 * side * side).reshape(1, 2, 1, side, side), factor)


def frequencies(height: int = 3, width: int = 5, count: int = 4) -> Frequencies:
    """Two classes of three random images with two channels."""
    return Frequencies.of(torch.randn(2, 3, 2, height, width, generator=generator(0)), count)


CODES: list[Parametrisation] = [
    linear(),
    linear(4, 6),
    formation(),
    formation(6, 3),
    formation(3, 1),
    frequencies(),
    frequencies(8, 8, 1),
]
