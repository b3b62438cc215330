"""Checkpoints are small: they hold what a run learns, and nothing that can be made again."""

import io

import pytest
import torch

from suite.core.spec import Budget, Examples
from suite.plugins import registry
from tests.support.small_data import few_digits

SMALL, LARGE = few_digits(20), few_digits(80)


def checkpoint(name: str, train: Examples) -> int:
    """Return the bytes of a method's checkpoint after its first outer step."""
    method = registry.configure(registry.method(name), registry.method(name).smoke, where=name)
    run = method.start(train, Budget(2), seed=0)
    run.step()
    buffer = io.BytesIO()
    torch.save(run.state_dict(), buffer)
    return buffer.tell()


@pytest.mark.parametrize("name", registry.names("method"))
def test_a_checkpoint_does_not_grow_with_the_data(name: str) -> None:
    """Experts, embeddings and features of real images would."""
    assert checkpoint(name, LARGE) - checkpoint(name, SMALL) < 500
