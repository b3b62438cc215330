"""Fields of a set by the names that people give them."""

import pytest
import torch

from suite.external.readers.layouts import (
    CLASS_NAMES,
    classes_and_targets,
    coded,
    described,
    images_field,
    label_fields,
    optional,
    rate,
)
from suite.external.validate import Refused


def test_fields_are_found_by_name_in_any_case() -> None:
    assert images_field({"Images": "", "y": ""}, "the file") == "Images"
    assert label_fields({"target": "", "Label": "", "coarse_label": ""}) == ["Label", "target"]
    assert optional(CLASS_NAMES, ["x", "classes"]) == "classes" and optional(CLASS_NAMES, ["x"]) is None


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
