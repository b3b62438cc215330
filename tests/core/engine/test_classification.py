"""Which inner steps are compiled, and a real batch in chunks."""

from collections.abc import Iterator
from math import ceil

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.engine.classification import (
    MIN_COMPILED_STEPS,
    NUMBERS_PER_STEP,
    chunks,
    inner_problem,
    worth_compiling,
)
from suite.core.engine.losses import LayerwiseLoss
from suite.core.engine.optimisers import SGD
from suite.core.execution import compiling
from suite.core.networks.named import network
from suite.core.seeding import generator

NETWORK = network("convnet-d1-w8-in", (1, 8, 8), 10)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def forbidden() -> Iterator[None]:
    compiling.allow(False)
    yield
    compiling.allow(True)


def test_many_small_steps_are_worth_compiling() -> None:
    one = 1 + NETWORK.outputs(1) / NUMBERS_PER_STEP
    assert worth_compiling(NETWORK, batch=1, steps=ceil(MIN_COMPILED_STEPS / one), device=CPU)
    assert not worth_compiling(NETWORK, batch=1, steps=ceil(MIN_COMPILED_STEPS / one) - 1, device=CPU)


def test_large_steps_are_worth_it_sooner_on_a_cpu() -> None:
    large = ceil(9 * NUMBERS_PER_STEP / NETWORK.outputs(1))
    assert worth_compiling(NETWORK, batch=large, steps=MIN_COMPILED_STEPS // 10, device=CPU)
    assert not worth_compiling(NETWORK, batch=large // 2, steps=MIN_COMPILED_STEPS // 10, device=CPU)
    assert not worth_compiling(NETWORK, batch=large, steps=MIN_COMPILED_STEPS - 1, device=GPU)
    assert worth_compiling(NETWORK, batch=1, steps=MIN_COMPILED_STEPS, device=GPU)


@pytest.mark.usefixtures("forbidden")
def test_nothing_is_compiled_where_that_is_forbidden() -> None:
    assert not worth_compiling(NETWORK, batch=10, steps=10 * MIN_COMPILED_STEPS, device=CPU)


def test_chunks_have_one_size_and_weights_of_a_mean() -> None:
    images, labels = torch.arange(70.0).view(70, 1, 1, 1), torch.arange(70) % 10
    pieces = list(chunks(images, labels))
    assert len({len(found) for found, _, _ in pieces}) == 1
    assert sum(float((weights * found[:, 0, 0, 0]).sum()) for found, _, weights in pieces) == pytest.approx(
        float(images.mean()), rel=1e-5
    )


def test_a_real_batch_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="the real batch has no images"):
        next(chunks(torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64)))


def test_a_whole_batch_is_one_chunk() -> None:
    images, labels = torch.arange(70.0).view(70, 1, 1, 1), torch.arange(70) % 10
    ((found, _, weights),) = chunks(images, labels, whole=True)
    assert torch.equal(found, images) and weights.tolist() == pytest.approx([1 / 70] * 70)


def test_steps_are_compiled_where_that_is_worth_it() -> None:
    many = inner_problem(NETWORK, SGD(), batch=100, steps=MIN_COMPILED_STEPS, device=CPU)
    assert many.compiled and isinstance(many.inner, LayerwiseLoss)
    assert not inner_problem(NETWORK, SGD(), batch=1, steps=1, device=CPU).compiled
    assert not inner_problem(NETWORK, SGD()).compiled
    assert inner_problem(NETWORK, SGD(), compiled=True).compiled


@pytest.mark.usefixtures("forbidden")
def test_a_problem_is_not_compiled_where_that_is_forbidden() -> None:
    assert not inner_problem(NETWORK, SGD(), compiled=True).compiled


def test_the_outer_loss_is_the_cross_entropy_of_chunks_or_the_given_one() -> None:
    parameters = NETWORK.initialise(generator(0))
    images, labels = torch.randn(40, 1, 8, 8, generator=generator(1)), torch.arange(40) % 10
    problem = inner_problem(NETWORK, SGD())
    loss = sum(problem.outer(parameters, *batch) for batch in chunks(images, labels))
    torch.testing.assert_close(loss, cross_entropy(NETWORK.logits(parameters, images), labels))
    given = inner_problem(NETWORK, SGD(), outer=lambda p, target: (p - target).sum())
    assert given.outer(torch.ones(3), torch.zeros(3)) == 3
