"""What label_regimes trains: the same images and recipe, with three kinds of labels."""

from typing import Any

import pytest
import torch
from torch.nn.functional import softmax

from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import one_hot
from suite.core.spec import Scores, Task
from suite.core.training.cached import trained_network
from suite.plugins.evaluators.label_regimes import LabelRegimes
from suite.plugins.evaluators.retrain import Retrain
from tests.support.real_sets import Trained, real, soft

NETWORK = "convnet-d1-w8-in"
SMALL = LabelRegimes(recipe="ncfm-40", network=NETWORK, teacher_epochs=1, copies=1)


def test_three_trainings_of_all_copies_and_one_read(task: Task, trained: Trained) -> None:
    scores = SMALL.evaluate(real(task, soft()), task, seed=0).values
    assert {name: len(values) for name, values in scores.items()} == {
        "hard": 1,
        "fixed": 1,
        "per_view": 1,
        "seconds": 3,
    }
    assert [(how.teacher_epochs, hard, len(seeds)) for how, hard, seeds in trained] == [
        (0, True, 1),
        (0, False, 1),
        (1, True, 1),
    ]
    assert task.split.reads == 1


def test_a_sets_own_labels_do_not_count_and_hard_ones_are_those_of_retrain(task: Task) -> None:
    own = SMALL.evaluate(real(task, soft()), task, seed=3).values
    hard = Retrain(recipe="ncfm-40", network=NETWORK, copies=1).evaluate(real(task), task, seed=3).values
    assert own["hard"] == hard["accuracy"]


def test_fixed_labels_are_the_teachers_probabilities(task: Task) -> None:
    images = real(task)
    teacher, _ = trained_network(task.train, "convnet-d1-w8-bn", "dc-300", 1, seed=derive(0, "teacher"))
    net = network("convnet-d1-w8-bn", task.train.shape, task.train.classes)
    with torch.no_grad():
        wanted = softmax(net.logits(teacher, images.images.flatten(0, 1)).double(), 1)
    labelled = images.__class__(images.images, wanted.float().view_as(one_hot(10, 2)), images.minibatch)
    one = Retrain(recipe="ncfm-40", network=NETWORK, copies=1).evaluate(labelled, task, seed=0)
    assert one.values["accuracy"] == SMALL.evaluate(images, task, seed=0).values["fixed"]


def test_a_recipes_temperature_is_left_to_its_training(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def retrain(name: str, trainings: dict[str, Any], task: Task, **_: int) -> Scores:
        given.append(trainings["fixed"][0].labels)
        return Scores({})

    monkeypatch.setattr("suite.plugins.evaluators.label_regimes.retrain", retrain)
    for recipe in ("rded-stored-300", "ncfm-40"):
        LabelRegimes(recipe, NETWORK, teacher_epochs=1).evaluate(real(task), task, seed=0)
    assert given[0].equal(given[1])


def test_a_recipe_whose_teacher_labels_every_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="'sre2l-300' has a teacher that labels every batch"):
        LabelRegimes("sre2l-300")
