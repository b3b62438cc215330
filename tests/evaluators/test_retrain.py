"""Retraining under a chosen recipe: what chooses, and that test has no part in it."""

import dataclasses
from collections.abc import Iterator
from statistics import fmean

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Scores, Task, TestSplit
from suite.core.training.fit import accuracy, fit
from suite.core.training.recipes import RECIPES, recipe
from suite.plugins.evaluators.retrain import CANDIDATES, Retrain
from suite.plugins.smoke import smoke_data
from tests.support.recipes import replaced

QUICK = Retrain("chosen", "mlp-w16", 2)


@pytest.fixture(autouse=True)
def short_recipes() -> Iterator[None]:
    """Recipes of a few steps; `dc-300` learns nothing."""
    with replaced(
        dataclasses.replace(RECIPES["dc-300"], epochs=1, lr=1e-6),
        dataclasses.replace(RECIPES["dsa-1000"], epochs=30),
        dataclasses.replace(RECIPES["rat-bptt-1000"], steps=2),
        dataclasses.replace(RECIPES["frepo-40000-v2"], steps=2),
        dataclasses.replace(RECIPES["mtt-1000"], epochs=1),
    ):
        yield


def task(labels: torch.Tensor | None = None) -> Task:
    """Return digits, with other labels of test if given."""
    digits = load("digits")
    test = digits.test if labels is None else dataclasses.replace(digits.test, labels=labels)
    return dataclasses.replace(digits, train=smoke_data(), split=TestSplit(test))


def made(on: Task) -> SyntheticSet:
    rows = torch.stack([indices[:3] for indices in on.train.by_class()])
    return SyntheticSet(on.train.images[rows], one_hot(10, 3))


def scored(on: Task) -> Scores:
    return QUICK.evaluate(made(on), on, seed=1)


def test_the_best_on_the_holdout_goes_to_test_with_fresh_copies() -> None:
    on = task()
    found = scored(on).values
    assert on.split.reads == 1
    held = {name: fmean(found[f"holdout/{name}"]) for name in CANDIDATES}
    assert max(held, key=lambda name: held[name]) == "dsa-1000"
    assert found["chosen/dsa-1000"] == (1.0,) and "chosen/dc-300" not in found
    plain = Retrain("dsa-1000", "mlp-w16", 2).evaluate(made(on), on, seed=1).values
    assert found["accuracy"] == plain["accuracy"]
    assert set(plain) == {"accuracy", "seconds"}


def test_a_recipe_for_a_learned_rate_is_tried_where_there_is_one() -> None:
    on = task()
    bare = QUICK.evaluate(made(on), on, seed=1).values
    learned = QUICK.evaluate(dataclasses.replace(made(on), lr=0.02), on, seed=1).values
    assert "holdout/mtt-1000" in learned and "holdout/mtt-1000" not in bare
    assert learned["holdout/dc-300"] == bare["holdout/dc-300"]


def test_the_holdout_is_of_train_and_its_copies_are_others() -> None:
    on = task()
    found, net = scored(on).values, network("mlp-w16", (1, 8, 8), 10)
    for copy in (0, 1):
        fitted = fit(
            net, made(on), recipe("dsa-1000").for_data(on.train), seed=derive(1, "holdout copy", copy)
        )
        assert found["holdout/dsa-1000"][copy] == accuracy(net, fitted, on.holdout().test)


def test_test_has_no_part_in_the_choice() -> None:
    honest, shifted = scored(task()).values, scored(task((load("digits").test.labels + 1) % 10)).values
    assert honest["accuracy"] != shifted["accuracy"]
    for values in (honest, shifted):
        assert (
            values["holdout/rat-bptt-1000"] == honest["holdout/rat-bptt-1000"] and "chosen/dsa-1000" in values
        )


def test_its_settings_are_the_ones_that_records_have() -> None:
    """A further field would change the id of every evaluation that was ever recorded."""
    assert set(dataclasses.asdict(Retrain())) == {"recipe", "network", "copies"}
    with pytest.raises(ValueError, match="unknown recipe 'choose'"):
        Retrain("choose")
