"""Fields of a set by the names that people give them."""

import re

import pytest
import torch

from suite.external.readers.layouts import (
    LR,
    class_names,
    classes_and_targets,
    coded,
    described,
    images_field,
    label_fields,
    minibatch,
    name_fields,
    optional,
    rate,
)
from suite.external.validate import Refused


def test_fields_are_found_by_name_in_any_case() -> None:
    assert images_field({"Images": "", "y": ""}, "the file") == "Images"
    assert label_fields({"target": "", "Label": "", "coarse_label": ""}) == ["Label", "target"]
    assert optional(LR, ["x", "syn_lr"]) == "syn_lr" and optional(LR, ["x"]) is None
    assert name_fields(["names", "x", "Class_to_idx"]) == ["Class_to_idx", "names"]


def test_what_is_there_is_said() -> None:
    with pytest.raises(
        Refused, match=r"has no field of images, such as 'images'; it has 'pixels' \(numbers 3\)"
    ):
        images_field({"pixels": "numbers 3"}, "the file")
    with pytest.raises(Refused, match="the file has images as 'images', 'x'; leave the one that counts"):
        images_field({"x": "", "images": ""}, "the file")


def test_classes_stand_beside_targets() -> None:
    classes, targets = torch.tensor([0, 1]), torch.eye(2)
    assert classes_and_targets({"label": classes}, "") == (classes, None)
    assert classes_and_targets({"label": classes, "target": targets}, "") == (targets, classes)
    assert classes_and_targets({}, "") == (None, None)
    with pytest.raises(Refused, match="the file has the labels 'a', 'b'; leave the ones that count"):
        classes_and_targets({"a": targets, "b": targets}, "the file")


def test_names_become_numbers() -> None:
    numbers, names = coded(["c#", "c", "c++", "c"])
    assert names == ("c", "c#", "c++") and numbers.tolist() == [1, 0, 2, 0]


def test_a_rate_is_a_number_above_0() -> None:
    assert rate(2) == 2.0 and rate(torch.tensor([0.5])) == 0.5
    for odd in ("0.1", True, torch.zeros(2), 0.0, float("nan"), None):
        with pytest.raises(Refused, match="the learned rate is"):
            rate(odd)


def test_values_in_words() -> None:
    assert described(torch.zeros(2, 3)) == "a tensor 2×3" and described([1]) == "a list of 1"
    assert described({"a": 1}) == "a dict of 'a'" and described(3) == "an int"


@pytest.mark.parametrize(
    "fields",
    [
        {"class_names": ["bee", "ant"]},
        {"class_names": ("bee", "ant"), "classes": 2},
        {"class_names": {1: "ant", 0: "bee"}},
        {"names": {"1": "ant", "0": "bee"}},  # as JSON has it
        {"class_to_idx": {"ant": 1, "bee": 0}},
        {"Class_Names": None, "idx_to_class": {0: "bee", 1: "ant"}},
        {"class_names": ["bee", "ant"], "class_to_idx": {"ant": 1, "bee": 0}, "classes": []},
    ],
)
def test_class_names_of_each_kind(fields: dict[str, object]) -> None:
    assert class_names(fields) == ("bee", "ant")


def test_class_names_that_are_numbers_or_absent() -> None:
    assert (
        class_names({"class_to_idx": {"7": 1, "3": 0}}) == class_names({"class_names": [3, 7]}) == ("3", "7")
    )
    assert class_names({"class_names": {0: "a", 1: "a"}}) == ("a", "a")
    assert class_names({}) == class_names({"classes": 10, "images": 1}) == class_names({"names": []}) == ()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("bee,ant", "a str"),
        (torch.zeros(2), "a tensor 2"),
        (2, "an int"),
        ({"bee", "ant"}, "a set"),
        (["bee", torch.zeros(1)], "a list of 2"),
        ([True, False], "a list of 2"),
        ({1: "bee", 2: "ant"}, "a dict"),
        ({"bee": 0, "ant": 0}, "a dict"),
        ({"bee": 0, "ant": "1"}, "a dict"),
        ({0: ["bee"], 1: ["ant"]}, "a dict"),
    ],
)
def test_other_class_names_are_refused_by_their_field(value: object, what: str) -> None:
    with pytest.raises(
        Refused, match=f"the class names in 'class_names' are {re.escape(what)}.*; store a list"
    ):
        class_names({"class_names": value})


def test_class_names_that_differ_are_refused() -> None:
    with pytest.raises(Refused, match="the fields 'class_names', 'classes' name the classes differently"):
        class_names({"classes": ["a", "b"], "class_names": ["b", "a"]})


def test_a_minibatch_is_a_dict_of_its_settings() -> None:
    assert minibatch({"per_class": 2}) == {"per_class": 2, "classes": None}
    for odd in ({"size": 1}, {"per_class": 0}, {"per_class": 1.5}, 3, "ab"):
        with pytest.raises(Refused, match=r"the minibatch is .* that is none"):
            minibatch(odd)
