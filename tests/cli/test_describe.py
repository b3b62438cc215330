"""What `ratbench list` and `show` say of a name."""

import io

import pytest
from rich.console import Console, RenderableType

from suite.cli.describe import details, papers, published, recipes, row, table, title
from suite.core.spec import ANY_SIZE
from suite.plugins import registry


def text(*parts: RenderableType) -> str:
    output = io.StringIO()
    for part in parts:
        Console(file=output, width=200).print(part)
    return output.getvalue()


def test_papers_are_links() -> None:
    assert papers(registry.method("dm")) == ["https://arxiv.org/abs/2110.04181"]
    assert papers(registry.method("random_subset")) == []


def test_a_title_is_declared_or_the_first_line_of_the_docstring() -> None:
    cls = registry.method("rtp")
    assert title(cls) == "RTP: Remember the Past, linear bases"
    untitled = type("Untitled", (cls,), {"__doc__": "First line.\n\nMore.", "title": ""})
    assert title(untitled) == "First line."


def test_sizes_with_equal_settings_are_one_line() -> None:
    settings = {("cifar10", 1): {"a": 1}, ("cifar10", 10): {"a": 1}, ("cifar10", 50): {"a": 2, "b": "x"}}
    cls = type("Published", (registry.method("dm"),), {"published": settings})
    assert published(cls) == {
        "The paper's settings for cifar10 at ipc 1, 10": "a = 1",
        "The paper's settings for cifar10 at ipc 50": "a = 2, b = 'x'",
    }


def test_settings_of_any_size() -> None:
    settings = {("svhn", ANY_SIZE): {"a": 1}, ("svhn", 10): {"a": 2}, ("mnist", ANY_SIZE): {"a": 3}}
    names = {("svhn", 1): "dc-300", ("svhn", ANY_SIZE): "dsa-1000", ("mnist", ANY_SIZE): "dsa-1000"}
    members = {"published": settings, "borrowed": {("svhn", ANY_SIZE): "a code"}, "recipes": names}
    cls = type("Published", (registry.method("dm"),), members)
    assert published(cls) == {
        "Settings for svhn at any other size, from a code": "a = 1",
        "The paper's settings for svhn at ipc 10": "a = 2",
        "The paper's settings for mnist at any size": "a = 3",
    }
    assert recipes(cls) == {
        "svhn at ipc 1": "dc-300",
        "svhn at any other size": "dsa-1000",
        "mnist at any size": "dsa-1000",
    }


def test_settings_of_another_source_are_not_called_the_papers() -> None:
    settings = {("cifar10", 1): {"a": 1}, ("cifar10", 10): {"a": 1}}
    members = {"published": settings, "borrowed": {("cifar10", 1): "another code"}}
    assert published(type("Published", (registry.method("dm"),), members)) == {
        "Settings for cifar10 at ipc 1, from another code": "a = 1",
        "The paper's settings for cifar10 at ipc 10": "a = 1",
    }
    shown = text(*details("rat_bptt"))
    assert "No settings are published for cifar10 at ipc 50: the defaults" in shown
    assert "Settings for cifar100 at ipc 1, from PoDD's code" in shown
    assert "The paper's settings for cifar100 at ipc 10: " in shown


def test_a_row_of_a_list() -> None:
    assert row("methods", "dm") == (title(registry.method("dm")), registry.method("dm").paper)
    (task,) = row("tasks", "digits")
    assert task.startswith("10 classes, 1x8x8, normalise; scikit-learn's load_digits")
    assert text(table("evaluators")).count("\n") == 1 + len(registry.names("evaluator"))


def test_details_of_an_evaluator_have_types_and_defaults() -> None:
    shown = text(*details("retrain"))
    assert shown.startswith("retrain: Train fresh networks")
    assert " ".join(next(line for line in shown.splitlines() if "copies" in line).split()) == "copies int 5"


def test_a_networks_parameters_are_counted() -> None:
    """Two hidden layers of 3072 x 128 + 128 and 128 x 128 + 128, ten outputs of 128 + 1."""
    count = 3072 * 128 + 128 + 128 * 128 + 128 + 10 * 129
    assert f"{count:,} parameters for 32x32 colour images and 10 classes" in text(*details("mlp-w128"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rat_btpt", "unknown name 'rat_btpt'; did you mean 'rat_bptt'"),
        ("linear_bases", "'linear_bases'; it is now called 'rtp'"),
        ("xyzzy", "unknown name 'xyzzy'; see `ratbench list methods`"),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(details(name))
