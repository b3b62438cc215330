"""What tests of the readers share: small files of a task, in the published formats."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from suite.core.data import identity
from suite.core.data.catalogue import CATALOGUE
from suite.core.spec import Task

RANDOM = np.random.default_rng(0)


def shrink(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    """Let the catalogue expect the small files of a test, whose checksums are not the published ones."""
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], **changes))
    monkeypatch.delitem(identity.CHECKSUMS, name, raising=False)


def random_pixels(*shape: int) -> np.ndarray:
    """Return random bytes."""
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def bytes_read(task: Task) -> torch.Tensor:
    """Undo the preprocessing of train: the bytes that were read."""
    return (task.preprocessing.invert(task.train.images) * 255).round().to(torch.uint8)
