"""The data with which plug-ins are checked."""

import random

import numpy as np
import torch

from suite.core.data.tasks import load
from suite.plugins.smoke import BUDGET, global_state, set_global_state, smoke_data, smoke_set, smoke_task


def test_thirty_real_digits_of_each_class() -> None:
    train, real = smoke_data(), load("digits").train
    assert len(train) == 300 and train.labels.bincount().tolist() == [30] * 10
    for own, rows in zip(train.by_class(), real.by_class(), strict=True):
        assert torch.equal(train.images[own], real.images[rows[:30]])
    assert smoke_data() is train


def test_a_task_is_a_copy_with_a_fresh_count() -> None:
    task = smoke_task()
    task.train.images.zero_()
    assert smoke_data().images.any() and len(task.test) == 60 and task.split.reads == 1
    assert smoke_task().split.reads == 0


def test_a_set_is_the_first_images_of_each_class() -> None:
    made = smoke_set()
    assert (made.classes, made.ipc, made.hard) == (10, BUDGET.ipc, True)
    for label, rows in enumerate(smoke_data().by_class()):
        assert torch.equal(made.images[label], smoke_data().images[rows[: BUDGET.ipc]])


def test_every_global_generator_is_part_of_the_state() -> None:
    set_global_state(1)
    before = global_state()
    for draw in (lambda: torch.rand(1), lambda: np.random.rand(), random.random):  # noqa: NPY002
        set_global_state(1)
        assert global_state() == before
        draw()
        assert global_state() != before
    set_global_state(2)
    assert global_state() != before
