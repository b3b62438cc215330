"""Steps of a training, one by one, together, and replayed."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import SGD, Adam
from suite.core.engine.steps import Training, equal_parts, parts, train
from suite.core.execution.graphs import Graphs
from suite.core.networks.named import network
from suite.core.seeding import generator
from tests.support.replays import Captures

NET = network("mlp-w4", (1, 4, 4), 3)
RULE = SGD(0.1, 0.9)


def test_parts_cover_all_steps_in_order() -> None:
    assert list(parts(range(-5, 2), 3)) == [range(-5, -2), range(-2, 1), range(1, 2)]
    assert list(parts(range(0), 3)) == []


def test_parts_end_where_states_are_wanted_and_batches_change() -> None:
    sizes = [4, 4, 2, 4, 4, 2, 4, 4, 2]
    assert list(equal_parts(sizes, int, 5, 9)) == [[4, 4], [2]] * 3
    assert [len(part) for part in equal_parts([4] * 8, int, 5, 3)] == [3, 3, 2]
    assert [len(part) for part in equal_parts([4] * 8, int, 5)] == [5, 3]
    assert list(equal_parts([], int, 5)) == []


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


def test_training_takes_batches_of_any_size() -> None:
    rule = Adam(0.02)
    problem, images = inner_problem(NET, rule), torch.randn(9, 1, 4, 4, generator=generator(2))
    labels = torch.eye(3).repeat(3, 1)
    draws = [(torch.arange(size), size * 0.1) for size in (6, 6, 2, 9, 9)]

    def make(steps: Sequence[tuple[Tensor, float]]) -> tuple[Tensor, Tensor]:
        rows = torch.stack([rows for rows, _ in steps])
        factors = torch.tensor([factor for _, factor in steps])
        return images[rows] * factors[:, None, None, None, None], labels[rows]

    start = expected = rule.start(NET.initialise(generator(0)))
    lr = torch.tensor(0.5)
    for step, (rows, factor) in enumerate(draws):
        corrections = torch.tensor(rule.corrections(step + 1))
        seen = images[rows] * factor
        (expected,) = problem.forward(expected, lr, corrections, seen, labels[rows])
    assert torch.allclose(train(problem, start, 0.5, draws, make), expected, atol=1e-6)
