"""Which inner steps are compiled, and a real batch in chunks."""

from collections.abc import Iterator
from math import ceil

import pytest
import torch

from suite.core.engine import compiling
from suite.core.engine.classification import MIN_COMPILED_STEPS, NUMBERS_PER_STEP, chunks, worth_compiling
from suite.core.networks.named import network

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
