"""Trainings as data: their batches and learning rates, and what is refused."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.spec import Examples
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES, Recipe

EPOCHS = Recipe("test", "", "sgd", 0.1, "none", epochs=3, batch=8)
STEPS = Recipe("test", "", "sgd", 0.1, "none", steps=5)


def synthetic(ipc: int = 10) -> SyntheticSet:
    return SyntheticSet(torch.randn(2, ipc, 1, 2, 2, generator=generator(0)), one_hot(2, ipc))


def test_epochs_are_shuffled_and_see_every_image_once() -> None:
    job = TrainingJob.on_set(synthetic(), EPOCHS, 3)
    rows = list(job.rows())
    assert (job.batch, job.epoch) == (8, 3) and [len(batch) for batch in rows] == [8, 8, 4] * 3
    epochs = [tuple(torch.cat(rows[start : start + 3]).tolist()) for start in (0, 3, 6)]
    assert all(Counter(epoch) == Counter(range(20)) for epoch in epochs) and len(set(epochs)) == 3


def test_the_order_is_the_seeds_at_each_call() -> None:
    job = TrainingJob.on_set(synthetic(), EPOCHS, 3)
    first, again = ([batch.tolist() for batch in job.rows()] for _ in range(2))
    assert first == again
    assert first != [batch.tolist() for batch in replace(job, seed=4).rows()]


def test_a_recipe_without_a_batch_size_takes_the_sets_own_minibatches() -> None:
    made = replace(synthetic(), minibatch=Minibatch(per_class=1))
    rng = generator(3, "order")
    rows = [batch.tolist() for batch in TrainingJob.on_set(made, STEPS, 3).rows()]
    assert rows == [Minibatch(per_class=1).sample(2, 10, rng).tolist() for _ in range(5)]


def test_a_recipe_without_a_batch_size_takes_all_real_images() -> None:
    train = Examples(torch.zeros(6, 1, 2, 2), torch.arange(6) % 2, 2)
    job = TrainingJob.on_examples(train, STEPS, 0)
    assert (job.batch, job.epoch) == (6, 1)
    assert [sorted(batch.tolist()) for batch in job.rows()] == [list(range(6))] * 5


def test_a_set_is_trained_on_at_its_own_learning_rate_if_the_recipe_takes_it() -> None:
    made = replace(synthetic(), lr=0.03)
    assert TrainingJob.on_set(made, RECIPES["mtt-1000"], 0).lr_schedule[0] == 0.03
    assert TrainingJob.on_set(made, RECIPES["dsa-1000"], 0).lr_schedule[0] == 0.01


def test_a_precision_that_the_device_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="precision tf32 needs a GPU"):
        TrainingJob.on_set(synthetic(), replace(EPOCHS, precision="tf32"), 0)


def test_a_teacher_is_needed_where_the_recipe_has_one() -> None:
    taught = replace(EPOCHS, teacher_epochs=1)
    with pytest.raises(ValueError, match="recipe 'test' has a teacher that labels the images; pass it"):
        TrainingJob.on_set(synthetic(), taught, 0)
    assert TrainingJob.on_set(synthetic(), taught, 0, lambda views, labels: labels).label is not None
