"""Trainings around one set: one read of test, seeds shared, equal trainings done once."""

import pytest

from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.training.fit import accuracy, fit
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import retrain
from suite.plugins.smoke import smoke_set, smoke_task

NAME = "convnet-d1-w8-in"


def test_scores_are_those_of_single_trainings_and_test_is_read_once() -> None:
    task, synthetic = smoke_task(), smoke_set()
    short, long = recipe("dc-300").for_epochs(2), recipe("dc-300").for_epochs(5)
    trainings = {"short": (synthetic, short), "long": (synthetic, long)}
    scores = retrain(NAME, trainings, task, copies=2, seed=3).values
    assert task.split.reads == 1
    net = network(NAME, task.train.shape, task.train.classes)
    for name, (made, how) in trainings.items():
        alone = [fit(net, made, how, seed=derive(3, "copy", copy)) for copy in range(2)]
        assert scores[name] == tuple(accuracy(net, each, task.test) for each in alone)
    assert len(scores["seconds"]) == 4 and min(scores["seconds"]) > 0


def test_equal_trainings_of_one_set_share_their_networks() -> None:
    synthetic, how = smoke_set(), recipe("dc-300").for_epochs(1)
    again = recipe("dc-300").for_epochs(1)
    trainings = {"one": (synthetic, how), "same": (synthetic, again), "other": (smoke_set(), how)}
    scores = retrain(NAME, trainings, smoke_task(), copies=1, seed=0).values
    assert scores["one"] == scores["same"] == scores["other"]
    assert len(scores["seconds"]) == 2  # the other set is another object, if an equal one


def test_a_network_too_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for 9 blocks"):
        retrain("convnet-d9-w8-in", {}, smoke_task(), copies=1, seed=0)
