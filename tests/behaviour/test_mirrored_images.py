"""Digits are never mirrored, whatever distils or retrains on them; other images are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data.operations import OPERATIONS
from suite.core.data.tasks import load
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Evaluator, Examples, Method, Task, TestSplit
from suite.core.training.augment import AUGMENTATIONS, augment_for, augmentation
from suite.core.training.fit import fit_full
from suite.core.training.recipes import RECIPES, recipe
from suite.plugins import registry
from suite.plugins.smoke import BUDGET, smoke_data, smoke_set, smoke_task
from tests.support.recipes import replaced

METHODS = ["boosted_dm", "datadam", "datm", "dc", "dm", "dsa", "idc", "idc_i", "mtt", "tesla"]
EVALUATORS = ["augmentation_robust", "corruptions", "cross_architecture", "label_robust", "retrain"]
"""Those that augment by a recipe, or by an augmentation that is not RaT-BPTT's, whose authors flip digits."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the batches in which images may be mirrored."""
    flips, plain = list[int](), OPERATIONS["flip"]

    def watched(images: Tensor, uniform: Tensor) -> Tensor:
        flips.append(len(images))
        return plain(images, uniform)

    with monkeypatch.context() as patched:
        patched.setitem(OPERATIONS, "flip", watched)
        yield flips


def as_photographs(task: Task) -> Task:
    """Return the task as if a mirrored image kept its class."""
    train, test = (replace(each, mirrored=True) for each in (task.train, task.test))
    return replace(task, train=train, split=TestSplit(test))


def short(name: str) -> Any:
    """Return a recipe that takes a few dozen steps."""
    own = recipe(name)
    return replace(own, steps=24) if own.steps else replace(own, epochs=24)


def test_what_tasks_say() -> None:
    assert not load("digits").train.mirrored and not load("digits:holdout").test.mirrored
    assert not smoke_data().mirrored and not smoke_task().test.mirrored


@pytest.mark.parametrize("name", METHODS)
def test_no_method_flips_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.method(name)
    settings = {**cls.smoke, **({} if name.startswith("idc") else {"augment": "dsa"})}
    for train in (smoke_data(), replace(smoke_data(), mirrored=True)):
        with counted(monkeypatch) as flips:
            method: Method = registry.configure(cls, settings, where=name)
            run = method.start(train, BUDGET, seed=0)
            for _ in range(run.steps):
                run.step()
        assert not flips or train.mirrored
        assert flips or not train.mirrored or name.startswith("idc")  # IDC flips in retraining only


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if name not in ("rat-bptt-1000", "dc-300", "rtp-300")]
)
def test_no_recipe_flips_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.evaluator("retrain")
    evaluator: Evaluator = registry.configure(
        cls, {"recipe": name, "network": "mlp-w4", "copies": 1}, where="here"
    )
    for task in (smoke_task(), as_photographs(smoke_task())):
        with replaced(short(name)), counted(monkeypatch) as flips:
            evaluator.evaluate(smoke_set(), task, seed=0)
        assert not flips or task.train.mirrored
        assert (
            flips
            or not task.train.mirrored
            or "flip" not in repr(augmentation(recipe(name).augment, mixing=True))
        )


@pytest.mark.parametrize("name", EVALUATORS)
def test_no_evaluator_flips_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.evaluator(name)
    fields: dict[str, Any] = {
        field: "dsa-1000" for field in ("recipe", "native_recipe") if field in registry.field_names(cls)
    }
    augment = {"augment": "dsa"} if "augment" in registry.field_names(cls) else {}
    evaluator: Evaluator = registry.configure(cls, {**cls.smoke, **fields, **augment}, where=name)
    for task in (smoke_task(), as_photographs(smoke_task())):
        with replaced(short("dsa-1000")), counted(monkeypatch) as flips:
            evaluator.evaluate(smoke_set(), task, seed=0)
        assert bool(flips) == task.train.mirrored


def test_networks_on_all_of_train_do_not_flip_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("mlp-w4", smoke_data().shape, 10)
    for train in (smoke_data(), replace(smoke_data(), mirrored=True)):
        with counted(monkeypatch) as flips:
            fit_full(net, train, recipe("dsa-1000"), 24, seed=0)
        assert bool(flips) == train.mirrored


def leftness(images: Tensor) -> Tensor:
    """Return by how much the left half of each image is brighter than the right."""
    left, right = images.mean((1, 2)).tensor_split(2, dim=1)
    return left.mean(1) - right.mean(1)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "flip-rotate"])
def test_a_picture_never_becomes_its_mirror_image(name: str) -> None:
    """It is bright along its left side. No operation but a flip makes the right side the brighter one."""
    picture = torch.zeros(40, 1, 28, 28)
    picture[..., 3:11] = 20  # far more than brightness adds, or a border of zeros
    digits = Examples(picture, torch.arange(40) % 2, 2, mirrored=False)
    for train in (digits, replace(digits, mirrored=True)):
        augment, rng = augmentation(augment_for(name, train), mixing=True), generator(0)
        seen = torch.cat([augment.apply(picture, augment.sample(40, rng)) for _ in range(40)])
        mirrored = int((leftness(seen) < -1e-4).sum())
        assert mirrored == 0 or train.mirrored
        assert mirrored or not train.mirrored or "flip" not in repr(augmentation(name, mixing=True))
