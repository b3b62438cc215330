"""Small real data and random states, with which plug-ins are checked in seconds."""

import hashlib
import pickle
import random
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from suite.core.data.tasks import load
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples, Task, TestSplit

BUDGET = Budget(2)


@cache
def smoke_data() -> Examples:
    """Return 300 real 8x8 digits of ten classes."""
    train = load("digits").train
    return train.take(torch.cat([indices[:30] for indices in train.by_class()]))


def smoke_task() -> Task:
    """Return a copy of `smoke_data` as a task with 60 test images and a fresh count of their reads."""
    task, train = load("digits"), smoke_data()
    copied = replace(train, images=train.images.clone(), labels=train.labels.clone())
    return replace(task, train=copied, split=TestSplit(task.test.take(torch.arange(60))))


def smoke_set() -> SyntheticSet:
    """Return the first images of each class as a set."""
    train = smoke_data()
    rows = torch.stack([indices[: BUDGET.ipc] for indices in train.by_class()])
    return SyntheticSet.with_hard_labels(train.images[rows])


def global_state() -> str:
    """Return a digest of the global random states of torch, NumPy and Python."""
    states = torch.get_rng_state().numpy().tobytes(), np.random.get_state(), random.getstate()  # noqa: NPY002
    return hashlib.sha256(pickle.dumps(states)).hexdigest()


def set_global_state(seed: int) -> None:
    """Seed torch, NumPy and Python, so that a plug-in that depends on them is found out."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
