"""Tensors of foreign files against the task, by hand."""

import pytest
import torch
from torch import Tensor

from suite.core.sets.parametrisations import MultiFormation
from suite.external.validate import (
    Arranged,
    Contents,
    Refused,
    Wanted,
    arrange,
    check_dense,
    check_images,
)

GREY, COLOUR = Wanted(2, 2, (1, 2, 2)), Wanted(2, 2, (3, 4, 5))
IMAGES = torch.arange(16.0).reshape(4, 1, 2, 2)


@pytest.mark.parametrize(
    "shape",
    [(4, 1, 2, 2), (2, 2, 1, 2, 2), (4, 4), (4, 2, 2)],
    ids=["plain", "by class", "flat", "no channel"],
)
def test_shapes_that_are_read(shape: tuple[int, ...]) -> None:
    check_images(shape, GREY)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 4, 5, 3), "the images are 4×5×3, channels last; store them 3×4×5"),
        ((4, 1, 4, 5), "the images have 1 channel, those of the task 3"),
        ((4, 3, 5, 4), "the images are 3×5×4, those of the task 3×4×5"),
        ((4,), "the images are no images, those of the task 3×4×5"),
        ((3, 3, 4, 5), "the file has 3 images; 2 classes of 2 images make 4"),
        ((1, 3, 3, 4, 5), "the file has 3 images"),
        ((4, 1, 3, 4, 5), "the images are 4×1×3×4×5, 4 groups; store those of 2 classes"),
    ],
)
def test_shapes_that_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_images(shape, COLOUR)


def test_a_shape_is_not_believed_without_its_storage() -> None:
    dense = torch.zeros(3, requires_grad=True)
    assert not check_dense(dense, "images").requires_grad
    with pytest.raises(Refused, match="the tensor of images needs 4000 bytes, its storage has 4"):
        check_dense(torch.zeros(1).expand(1000), "images")
    with pytest.raises(Refused, match="the labels are a list, not a tensor"):
        check_dense([1], "labels")
    with pytest.raises(Refused, match="the images are a sparse_coo tensor"):
        check_dense(torch.eye(2).to_sparse(), "images")


def arranged(labels: Tensor | None, images: Tensor = IMAGES, classes: Tensor | None = None) -> Arranged:
    return arrange(Contents("test", images, labels, classes), GREY)


def first_pixels(made: Arranged) -> list[list[int]]:
    return [[int(pixel) for pixel in row] for row in made.images.flatten(2)[..., 0]]


def test_images_are_sorted_by_class_in_the_files_order() -> None:
    made = arranged(torch.tensor([1, 0, 1, 0]))
    assert first_pixels(made) == [[4, 12], [0, 8]] and not made.raw
    assert torch.equal(made.labels, torch.eye(2)[:, None].repeat(1, 2, 1))


def test_without_labels_the_order_is_that_of_the_classes() -> None:
    made = arranged(None)
    assert first_pixels(made) == [[0, 4], [8, 12]]
    assert made.labels.argmax(2).tolist() == [[0, 0], [1, 1]]


def test_learned_targets_of_mixed_classes_belong_to_their_largest_entry() -> None:
    targets = torch.tensor([[0.1, 2.0], [3.0, 1.0], [0.0, 1.0], [0.7, 0.6]])
    made = arranged(targets)
    assert first_pixels(made) == [[4, 12], [0, 8]]
    assert torch.equal(made.labels, targets[[1, 3, 0, 2]].view(2, 2, 2)) and made.notes == ()


class TestLearnedTargets:
    """Their largest entry need not be the class of their image."""

    TARGETS = torch.tensor([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])

    def test_images_stay_in_the_files_order(self) -> None:
        made = arranged(self.TARGETS)
        assert first_pixels(made) == [[0, 4], [8, 12]]
        assert torch.equal(made.labels, self.TARGETS.view(2, 2, 2))
        assert made.notes[0].startswith(
            "the largest entry of 1 of 4 learned labels is not their image's class"
        )

    def test_images_and_targets_by_class_keep_their_classes(self) -> None:
        swapped = self.TARGETS.flip(0)
        for images, targets in ((IMAGES, swapped.view(2, 2, 2)), (IMAGES.view(2, 2, 1, 2, 2), swapped)):
            made = arranged(targets, images)
            assert torch.equal(made.labels, swapped.view(2, 2, 2)) and made.notes == ()

    def test_the_file_may_have_both(self) -> None:
        made = arranged(self.TARGETS, classes=torch.tensor([1, 0, 1, 0]))
        assert first_pixels(made) == [[4, 12], [0, 8]]
        assert torch.equal(made.labels, self.TARGETS[[1, 3, 0, 2]].view(2, 2, 2))

    def test_negative_ones_are_read_as_they_are(self) -> None:
        assert torch.equal(arranged(self.TARGETS - 0.5).labels.view(4, 2), self.TARGETS - 0.5)


def test_classes_may_stand_by_class_or_in_a_column() -> None:
    for labels in (torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0], [1], [1], [0]])):
        assert first_pixels(arranged(labels)) == [[0, 12], [4, 8]]


def test_a_factorised_set_may_decode_to_more_images() -> None:
    code = MultiFormation(torch.zeros(2, 1, 1, 2, 2), 2)
    made = arrange(Contents("test", code.decode(), torch.eye(2)[:, None].repeat(1, 4, 1), code=code), GREY)
    assert made.images.shape == (2, 4, 1, 2, 2)


def test_bytes_become_fractions() -> None:
    made = arranged(None, torch.full((4, 1, 2, 2), 51, dtype=torch.uint8))
    assert made.raw and torch.allclose(made.images, torch.full_like(made.images, 0.2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 0, 0, 1]), "class 0 has 3 images; --ipc 2"),
        (torch.tensor([0, 0, 1, 2]), "the labels run from 0 to 2; the task's are 0 to 1"),
        (torch.tensor([0, 0.5, 1, 1]), "neither whole numbers nor"),
        (torch.tensor([0, 1]), "the file has 2 labels for 4 images"),
        (torch.ones(4, 3), "the labels are 4×3; 4 classes, or 4×2 targets, are needed"),
        (torch.tensor([[1.0, torch.inf]] * 4), "values that are not finite"),
        (torch.zeros(4, dtype=torch.complex64), "the labels are complex64"),
    ],
)
def test_labels_that_are_refused(labels: Tensor, message: str) -> None:
    with pytest.raises(Refused, match=message):
        arranged(labels)


def test_a_minibatch_larger_than_the_set_is_refused() -> None:
    def given(**minibatch: int) -> Arranged:
        return arrange(Contents("test", IMAGES, None, manifest={"minibatch": minibatch}), GREY)

    assert given(per_class=2, classes=2).images.shape[:2] == (2, 2)
    with pytest.raises(Refused, match="minibatch per_class 3 is larger than the set's 2 images of each"):
        given(per_class=3)
    with pytest.raises(Refused, match="minibatch classes 3 is larger than the set's 2 classes"):
        given(classes=3)
