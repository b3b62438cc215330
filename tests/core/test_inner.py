"""Which inner steps are compiled, and a real batch in chunks."""

from collections.abc import Iterator

import pytest
import torch

from suite.core import compiling
from suite.core.inner import FEW, MANY, MANY_BACK, WORK, chunks, pays
from suite.core.networks import network

NETWORK = network("convnet-d1-w8-in", (1, 8, 8), 10)


@pytest.fixture
def forbidden() -> Iterator[None]:
    compiling.allow(False)
    yield
    compiling.allow(True)


def test_many_small_steps_are_worth_compiling_and_fewer_if_walked_back() -> None:
    assert pays(NETWORK, batch=10, steps=MANY)
    assert not pays(NETWORK, batch=10, steps=MANY - 1)
    assert not pays(NETWORK, batch=10, steps=MANY - 1, back=MANY_BACK - 1)
    assert pays(NETWORK, batch=10, steps=MANY_BACK, back=MANY_BACK)


def test_steps_on_much_are_worth_it_sooner_but_a_few_never() -> None:
    enough = 1 + int(WORK / (FEW * NETWORK.work(1)))
    assert pays(NETWORK, batch=enough, steps=FEW)
    assert not pays(NETWORK, batch=enough, steps=FEW - 1)


@pytest.mark.usefixtures("forbidden")
def test_nothing_is_compiled_where_that_is_forbidden() -> None:
    assert not pays(NETWORK, batch=10, steps=10 * MANY, back=10 * MANY)


def test_chunks_have_one_size_and_weights_of_a_mean() -> None:
    images, labels = torch.arange(70.0).view(70, 1, 1, 1), torch.arange(70) % 10
    pieces = list(chunks(images, labels))
    assert len({len(found) for found, _, _ in pieces}) == 1
    assert sum(float((weights * found[:, 0, 0, 0]).sum()) for found, _, weights in pieces) == pytest.approx(
        float(images.mean()), rel=1e-5
    )
