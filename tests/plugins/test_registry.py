"""Plug-ins by name, by path and from packages; old names; settings from plain values."""

from pathlib import Path

import pytest

from suite.core.spec import ANY_SIZE, UNPUBLISHED
from suite.core.training.recipes import RECIPES
from suite.plugins import registry
from suite.plugins.loading import load
from tests.support.command_line import ratbench, refused
from tests.support.packages import write_package

CARELESS = "tests.support.broken_methods:Careless"

RECIPE = """
from dataclasses import replace
from suite.core.training.recipes import RECIPES as KNOWN

RECIPES = (replace(KNOWN["dc-300"], name="registered-3", epochs=3),)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    path = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(path)
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("linear_bases", "now called 'rtp'"),
        ("multi_formation", "now called 'idc'"),
        ("relabelled_patches", "now called 'rded'"),
        ("trajectory_matching", "now called 'mtt'"),
        ("gradient_matching", "now called 'dc'"),
        ("siamese_augmentation", "now called 'dsa'"),
        ("distribution_matching", "now called 'dm'"),
        ("attention_matching", "now called 'datadam'"),
        ("boosted_distribution_matching", "now called 'boosted_dm'"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(ValueError, match=f"^unknown method '{old}'; it is {new}$"):
        registry.method(old)
    refused(ratbench("check", old), f"unknown method or evaluator {old!r}; it is {new}")
    assert new.split("'")[1] in registry.names("method")


def test_the_gradient_study_is_a_study_now() -> None:
    with pytest.raises(
        ValueError, match=r"^method 'gradient_study' is a study now: \[study.gradient_study\]$"
    ):
        registry.method("gradient_study")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown method 'rat_btpp'; did you mean 'rat_bptt'"):
        registry.method("rat_btpp")
    with pytest.raises(ValueError, match="unknown evaluator 'x'; known: audit, augmentation_robust, "):
        registry.evaluator("x")


def test_kinds() -> None:
    assert registry.kinds("dm") == ["method"] and registry.kinds("retrain") == ["evaluator"]


def test_a_package_brings_methods_evaluators_and_recipes(folder: Path) -> None:
    points = {
        "methods": {"theirs": CARELESS},
        "evaluators": {"scored": "tests.support.broken_evaluators:Honest"},
        "recipes": {"short": "tests.support.broken_methods:SHORT"},
    }
    write_package(folder, "theirs", points)
    assert registry.method("theirs").__name__ == "Careless" and "theirs" in registry.names("method")
    assert registry.evaluator("scored").__name__ == "Honest" and "scored" in registry.names("evaluator")
    assert len(registry.source("theirs")) == len(registry.source("scored", "evaluator")) == 64
    assert "short" in set(RECIPES) and RECIPES["short"].epochs == 3


def test_ours_have_no_source() -> None:
    assert registry.source("dm") == registry.source("retrain", "evaluator") == ""
    names = ("dsa-1000", "dsa-1000:bf16", "chosen", "None")
    assert {registry.recipe_source(name) for name in names} == {""}


def test_a_recipe_of_others_has_a_source(folder: Path) -> None:
    write_package(folder, "theirs", {"recipes": {"short": "tests.support.broken_methods:SHORT"}})
    assert len(registry.recipe_source("short")) == 64
    path = folder / "mine.py"
    path.write_text(RECIPE)
    load(path)
    first = registry.recipe_source("registered-3:bf16")
    path.write_text(RECIPE.replace("epochs=3", "epochs=4"))
    load(path)
    assert len(first) == 64 and registry.recipe_source("registered-3") not in (first, "")


def test_a_package_does_not_take_the_name_of_another(folder: Path) -> None:
    write_package(folder, "one", {"methods": {"twice": CARELESS, "herding": CARELESS, "once": CARELESS}})
    write_package(folder, "two", {"methods": {"twice": CARELESS}, "recipes": {"dsa-1000": "no:where"}})
    assert registry.method("once").__name__ == "Careless"
    refused(ratbench("show", "herding"), "'herding' comes with the package one and RaT-Bench")
    refused(ratbench("show", "twice"), "the package one and the package two", "rename its entry point")
    with pytest.raises(ValueError, match="recipe 'dsa-1000' comes with the package two and RaT-Bench"):
        RECIPES["dsa-1000"]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("no_such_module:Method", ("'odd' of the package odd", "cannot be imported", "no_such_module")),
        ("tests.support.broken_methods:ClassVar", ("'odd' of an installed package", "a frozen dataclass")),
    ],
)
def test_a_package_without_a_method_is_refused(value: str, parts: tuple[str, ...], folder: Path) -> None:
    write_package(folder, "odd", {"methods": {"odd": value}})
    refused(ratbench("show", "odd"), *parts)


def test_a_file_without_a_method_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("")
    refused(ratbench("show", path), "must end with `METHOD = ...` or `EVALUATOR = ...`")
    with pytest.raises(ValueError, match=r"must end with `METHOD = ...`, a frozen dataclass, not None"):
        registry.method(str(path))


def test_settings_from_plain_values() -> None:
    cls = registry.method("dm")
    made = registry.configure(cls, {"steps": 3}, where="method.dm")
    assert (made.steps, made.image_lr) == (3, 1.0)
    for values, message in (
        ({"stepz": 3}, "method.dm: unknown key 'stepz'; did you mean 'steps'"),
        ({"steps": "3"}, "method.dm: steps = '3': input should be a valid integer"),
        ({"steps": 0}, "method.dm: steps 0 must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            registry.configure(cls, values, where="method.dm")


def test_hyperparameters_have_types_and_defaults() -> None:
    found = registry.hyperparameters(registry.evaluator("retrain"))
    assert found["copies"] == ("int", 5)


def test_a_network_is_a_setting_of_those_that_have_one() -> None:
    assert registry.network(registry.method("dm"), "mlp-w8") == {"network": "mlp-w8"}
    assert registry.network(registry.method("random_subset"), "mlp-w8") == {}


def test_an_entry_of_any_size_is_that_of_sizes_without_their_own() -> None:
    members = {
        "recipe": "dsa-1000",
        "recipes": {("svhn", ANY_SIZE): "dc-300", ("svhn", 1): "rtp-300"},
        "published": {
            ("svhn", ANY_SIZE): {"steps": 2},
            ("svhn", 1): {"steps": 1},
            ("mnist", 1): {"steps": 3},
        },
        "borrowed": {
            ("svhn", ANY_SIZE): "a code",
            ("mnist", 1): UNPUBLISHED,  # inherited from a class without settings
            ("mnist", ANY_SIZE): UNPUBLISHED,
            ("digits", 1): "a code whose settings a subclass replaced",
        },
    }
    cls = type("Mine", (registry.method("dm"),), members)
    found = {
        (family, ipc): (
            registry.native_recipe(cls, family, ipc),
            registry.published(cls, family, ipc).get("steps"),
            registry.source_of_settings(cls, family, ipc),
        )
        for family in ("svhn", "mnist", "digits")
        for ipc in (1, 5)
    }
    assert found == {
        ("svhn", 1): ("rtp-300", 1, ""),
        ("svhn", 5): ("dc-300", 2, "a code"),
        ("mnist", 1): ("dsa-1000", 3, ""),
        ("mnist", 5): ("dsa-1000", None, UNPUBLISHED),
        ("digits", 1): ("dsa-1000", None, ""),
        ("digits", 5): ("dsa-1000", None, ""),
    }
