"""Only RaT-BPTT and its variants, and FRePo on SVHN, mirror digits, as their authors do.

Whatever else distils or retrains on them does not; other images are mirrored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data import tasks
from suite.core.data.tasks import describe, load
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Evaluator, Examples, Method, Task, TestSplit
from suite.core.training.augment import AUGMENTATIONS, augment_for, augmentation
from suite.core.training.augmentation.operations import OPERATIONS
from suite.core.training.fit import fit_full
from suite.core.training.recipes import RECIPES, recipe
from suite.core.training.recipes.kinds import RegressionRecipe
from suite.plugins import registry
from suite.plugins.smoke import BUDGET, smoke_data, smoke_set, smoke_task
from tests.support.recipes import replaced

RAT_BPTT = ["at_bptt", "boosted_rat_bptt", "bptt", "quick_rat_bptt", "r_bptt", "rat_bptt", "t_bptt"]
METHODS = ["boosted_dm", "boosted_dsa", "boosted_mtt", "datadam", "datm", "dc", "dm", "dsa", "fred"]
METHODS += ["ftd", "idc", "idc_i", "idm", "mdc", "mtt", "tesla", "yoco"]
"""Those that mirror images, but no digits."""

EVALUATORS = ["augmentation_robust", "corruptions", "cross_architecture", "label_regimes", "label_robust"]
EVALUATORS += ["retrain"]
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


def mirrors(name: str) -> bool:
    """Return whether an augmentation mirrors images."""
    told = repr(augmentation(name, mixing=True))
    return "flip" in told or "mirrors=True" in told


def short(name: str) -> Any:
    """Return a recipe that takes a few dozen steps."""
    own = recipe(name)
    if isinstance(own, RegressionRecipe):
        own = replace(own, lengths=())
    return replace(own, steps=24) if own.steps else replace(own, epochs=24)


def test_what_tasks_say() -> None:
    assert not load("digits").train.mirrored and not load("digits:holdout").test.mirrored
    assert not smoke_data().mirrored and not smoke_task().test.mirrored


def with_flips(name: str, train: Examples, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> bool:
    """Return whether a short run of a method may mirror images of `train`."""
    cls = registry.method(name)
    with counted(monkeypatch) as flips:
        method: Method = registry.configure(cls, {**cls.smoke, **settings}, where=name)
        run = method.start(train, BUDGET, seed=0)
        for _ in range(run.steps):
            run.step()
    return bool(flips)


@pytest.mark.parametrize("name", RAT_BPTT)
def test_rat_bptt_and_its_variants_flip_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_flips(name, smoke_data(), monkeypatch)


@pytest.mark.parametrize("name", sorted({*registry.names("method")} - {*RAT_BPTT, *METHODS}))
def test_other_methods_flip_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not with_flips(name, smoke_data(), monkeypatch)


def test_frepo_mirrors_digits_on_svhn_alone() -> None:
    cls = registry.method("frepo")
    digits = {info.published_as for info in map(describe, tasks.names()) if not info.mirrored}
    assert digits == {"digits", "mnist", "svhn"}
    for ipc in (1, 10, 20):
        settings = {family: registry.published(cls, family, ipc) for family in digits}
        mirrored = {family for family, values in settings.items() if cls(**values).mirror}  # type: ignore[attr-defined]
        assert mirrored == {"svhn"}


@pytest.mark.parametrize("name", METHODS)
def test_no_method_flips_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {} if name.startswith("idc") else {"augment": "dsa"}
    assert not with_flips(name, smoke_data(), monkeypatch, **settings)
    photographs = replace(smoke_data(), mirrored=True)
    # IDC flips in retraining only.
    assert with_flips(name, photographs, monkeypatch, **settings) == (not name.startswith("idc"))


@pytest.mark.parametrize("name", list(RECIPES))
def test_no_recipe_flips_digits_but_rat_bptts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.evaluator("retrain")
    evaluator: Evaluator = registry.configure(
        cls, {"recipe": name, "network": "mlp-w4", "copies": 1}, where="here"
    )
    made = replace(smoke_set(), lr=0.01 if recipe(name).learned_lr else None)
    for task in (smoke_task(), as_photographs(smoke_task())):
        with replaced(short(name)), counted(monkeypatch) as flips:
            evaluator.evaluate(made, task, seed=0)
        may = task.train.mirrored or name == "rat-bptt-1000"
        assert bool(flips) == (may and mirrors(recipe(name).augment))


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


# A part of one crop in another crop may be the brighter one on the right.
CROPS_IN_CROPS = {name for name in AUGMENTATIONS if "resize" in name and "cutmix" in name}


@pytest.mark.parametrize("name", sorted({*AUGMENTATIONS} - {"flip-rotate"} - CROPS_IN_CROPS))
def test_a_picture_never_becomes_its_mirror_image(name: str) -> None:
    """It is bright along its left side. No operation but a flip makes the right side the brighter one."""
    picture = torch.zeros(40, 1, 28, 28)
    picture[..., 3:11] = 20  # far more than brightness adds, or a border of zeros
    if "resize" in name:  # any crop of it is brighter on the left
        picture[:] = torch.linspace(20, 0, 28)
    digits = Examples(picture, torch.arange(40) % 2, 2, mirrored=False)
    for train in (digits, replace(digits, mirrored=True)):
        augment, rng = augmentation(augment_for(name, train), mixing=True), generator(0)
        seen = torch.cat([augment.apply(picture, augment.sample(40, rng)) for _ in range(40)])
        mirrored = int((leftness(seen) < -1e-4).sum())
        assert mirrored == 0 or train.mirrored
        assert mirrored or not train.mirrored or not mirrors(name)
