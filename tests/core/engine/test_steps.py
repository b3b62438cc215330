"""Steps of a training, one by one, together, and replayed."""

import pytest
import torch
from torch import Tensor

from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import SGD
from suite.core.engine.steps import Training, parts
from suite.core.execution.graphs import Graphs
from suite.core.networks.named import network
from suite.core.seeding import generator
from tests.support.replays import Captures

NET = network("mlp-w4", (1, 4, 4), 3)
RULE = SGD(0.1, 0.9)


def test_parts_cover_all_steps_in_order() -> None:
    assert list(parts(range(-5, 2), 3)) == [range(-5, -2), range(-2, 1), range(1, 2)]
    assert list(parts(range(0), 3)) == []


def batches(steps: int) -> tuple[Tensor, Tensor]:
    images = torch.randn(steps, 6, 1, 4, 4, generator=generator(1))
    return images, torch.eye(3).repeat(2, 1).expand(steps, 6, 3)


@pytest.mark.parametrize("graphs", [Graphs(), Graphs(Captures())], ids=["called", "replayed"])
def test_steps_in_parts_are_the_steps_of_the_problem(graphs: Graphs) -> None:
    problem, steps = inner_problem(NET, RULE), 25
    lrs = torch.linspace(0.1, 0.01, steps)
    images, targets = batches(steps)
    none = torch.zeros(steps, 0)
    expected = RULE.start(NET.initialise(generator(0)))
    training = Training(problem, graphs)
    training.start(expected)
    for step in range(steps):
        (expected,) = problem.forward(expected, lrs[step], none[step], images[step], targets[step])
    for part in parts(range(steps), 4):
        own = slice(part.start, part.stop)
        training.take(lrs[own], none[own], (images[own], targets[own]), room=4)
    assert torch.equal(training.state, expected)
