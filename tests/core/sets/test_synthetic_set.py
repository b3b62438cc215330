"""Sets made of flat images and labels, as other code has them."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, Teacher, one_hot

IMAGES = torch.arange(6.0).reshape(6, 1, 1, 1)


def test_images_are_sorted_by_class_in_their_order() -> None:
    made = SyntheticSet.from_flat(IMAGES, torch.tensor([2, 0, 1, 1, 0, 2]))
    assert made.images.flatten().tolist() == [1, 4, 2, 3, 0, 5]
    assert made.hard and (made.classes, made.ipc) == (3, 2)


def test_soft_labels_stay_with_their_images() -> None:
    labels = torch.rand(6, 3, generator=generator(0)) / 4
    labels[torch.arange(6), torch.tensor([2, 0, 1, 1, 0, 2])] = 0.7
    made = SyntheticSet.from_flat(IMAGES, labels)
    images, targets = made.flat()
    assert not made.hard
    assert torch.equal(targets, labels[images.flatten().long()])
    assert made.labels.argmax(2).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_flat_and_back() -> None:
    labels = torch.rand(3, 2, 3, generator=generator(1)) / 4
    labels[torch.arange(3), :, torch.arange(3)] = 0.9
    whole = SyntheticSet(torch.randn(3, 2, 1, 4, 4, generator=generator(2)), labels)
    again = SyntheticSet.from_flat(*whole.flat())
    assert torch.equal(again.images, whole.images) and torch.equal(again.labels, whole.labels)


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (IMAGES, torch.tensor([[0.9, 0.1]] * 6), None, "largest entries; learned labels need not agree with"),
        (IMAGES, torch.tensor([0, 0, 0, 1, 1, 2]), None, r"same number of images; they have \[3, 2, 1\]"),
        (IMAGES, torch.tensor([0, 1, 0, 1, 0, 1]), 3, r"they have \[3, 3, 0\]"),
        (IMAGES, torch.tensor([-1, 0, 1, 1, 0, -1]), None, "whole numbers from 0 to 1"),
        (IMAGES, torch.tensor([0, 1, 2, 0, 1, 2]), 2, "whole numbers from 0 to 1, one for each of 2 classes"),
        (IMAGES, torch.tensor([0.0, 1, 2, 0, 1, 2]), None, "whole numbers"),
        (IMAGES, torch.full((6, 3), -1.0), None, "soft labels are negative"),
        (IMAGES, torch.tensor([0, 1]), None, "must be"),
        (IMAGES[0], torch.tensor([0]), None, "must be"),
    ],
)
def test_what_is_no_set_is_refused(
    images: torch.Tensor, labels: torch.Tensor, classes: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticSet.from_flat(images, labels, classes)


@pytest.mark.parametrize(
    ("minibatch", "message"),
    [
        (Minibatch(per_class=3), "per_class 3 is larger than the set's 2 images of each class; lower it"),
        (Minibatch(1, 4), "classes 4 is larger than the set's 3 classes; lower it"),
    ],
)
def test_a_minibatch_larger_than_the_set_is_refused(minibatch: Minibatch, message: str) -> None:
    images = torch.zeros(3, 2, 1, 1, 1)
    SyntheticSet(images, one_hot(3, 2), Minibatch(2, 3))
    with pytest.raises(ValueError, match=message):
        SyntheticSet(images, one_hot(3, 2), minibatch)


@pytest.mark.parametrize("size", [0, 1.5, True, "2"])
def test_a_minibatch_is_of_whole_numbers(size: Any) -> None:
    with pytest.raises(ValueError, match=f"minibatch per_class {size!r} must be at least 1, a whole number"):
        Minibatch(size)


def test_a_part_has_a_minibatch_that_it_can_give() -> None:
    whole = SyntheticSet(torch.zeros(3, 4, 1, 1, 1), one_hot(3, 4), Minibatch(3, 2), lr=0.1, data="d")
    assert whole.prefix(2).minibatch == Minibatch(2, 2) and whole.prefix(3).minibatch == Minibatch(3, 2)
    whole = replace(whole, teachers=(Teacher("mlp-w2", torch.ones(5)),))
    part = whole.take(torch.zeros(3, 1, dtype=torch.int64))
    assert part.teachers == whole.prefix(2).teachers == whole.teachers and part.teacher_bytes == 20
    assert torch.equal(whole.tensors["teacher-0"], torch.ones(5))
    (moved,) = whole.to(torch.device("meta")).teachers
    assert moved.parameters.is_meta and moved.network == "mlp-w2"
    assert (part.minibatch, part.lr, part.data) == (Minibatch(1, 2), 0.1, "d")
