"""A replayed loss has the value and the gradient of its function."""

import pytest
import torch
from torch import Tensor

from suite.core.execution.graphs import Graphs
from suite.core.execution.replayed import ReplayedLoss
from suite.core.seeding import generator
from tests.support.replays import Captures


def cubes(value: Tensor, factor: Tensor) -> Tensor:
    return (factor * value**3).sum()


@pytest.mark.parametrize("graphs", [Graphs(), Graphs(Captures())], ids=["called", "replayed"])
def test_values_and_gradients_are_those_of_the_function(graphs: Graphs) -> None:
    loss, rng = ReplayedLoss(cubes, graphs), generator(0)
    earlier: list[tuple[Tensor, Tensor]] = []
    for step in range(8):
        leaf = torch.randn(3 + step % 2, generator=rng, requires_grad=True)
        factor = torch.randn(3 + step % 2, generator=rng)
        found = loss(leaf * 2, factor)
        earlier.append((found, found.detach().clone()))
        (gradient,) = torch.autograd.grad(5 * found, leaf)
        assert torch.allclose(found, cubes(leaf * 2, factor))
        assert torch.allclose(gradient, 10 * 3 * factor * (2 * leaf.detach()) ** 2)
    assert all(torch.equal(found, then) for found, then in earlier)
