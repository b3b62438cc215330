"""Tensors of foreign files against the task, by hand."""

import pytest
import torch
from torch import Tensor

from suite.external.validate import (
    Contents,
    Refused,
    Wanted,
    arrange,
    check_dense,
    check_images,
    labels_of,
)

GREY, COLOUR = Wanted(2, 2, (1, 2, 2), ("T-shirt/top", "Ankle boot")), Wanted(2, 2, (3, 4, 5))
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


def arranged(labels: Tensor | None, images: Tensor = IMAGES) -> tuple[Tensor, Tensor, bool]:
    return arrange(Contents("test", images, labels), GREY)


def test_images_are_sorted_by_class_in_the_files_order() -> None:
    images, labels, raw = arranged(torch.tensor([1, 0, 1, 0]))
    assert images.flatten(2)[..., 0].tolist() == [[4, 12], [0, 8]] and not raw
    assert torch.equal(labels, torch.eye(2)[:, None].repeat(1, 2, 1))


def test_without_labels_the_order_is_that_of_the_classes() -> None:
    images, labels, _ = arranged(None)
    assert images.flatten(2)[..., 0].tolist() == [[0, 4], [8, 12]]
    assert labels.argmax(2).tolist() == [[0, 0], [1, 1]]


def test_learned_targets_belong_to_their_largest_entry() -> None:
    targets = torch.tensor([[0.1, 2.0], [3.0, 1.0], [0.0, 1.0], [0.7, 0.6]])
    images, labels, _ = arranged(targets)
    assert images.flatten(2)[..., 0].tolist() == [[4, 12], [0, 8]]
    assert torch.equal(labels, targets[[1, 3, 0, 2]].view(2, 2, 2))


def test_bytes_become_fractions() -> None:
    images, _, raw = arranged(None, torch.full((4, 1, 2, 2), 51, dtype=torch.uint8))
    assert raw and torch.allclose(images, torch.full_like(images, 0.2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 0, 0, 1]), "class 0 has 3 images; --ipc 2"),
        (torch.tensor([0, 0, 1, 2]), "the labels run from 0 to 2; the task's are 0 to 1"),
        (torch.tensor([0, 0.5, 1, 1]), "neither whole numbers nor"),
        (torch.tensor([0, 1]), "the file has 2 labels for 4 images"),
        (torch.ones(4, 3), "the labels are 4×3; 4 classes, or 4×2 targets, are needed"),
        (torch.tensor([[1.0, -1]] * 4), "negative entries"),
        (torch.zeros(4, 2), "negative entries, or none above 0"),
        (torch.tensor([[1.0, torch.inf]] * 4), "values that are not finite"),
        (torch.zeros(4, dtype=torch.complex64), "the labels are complex64"),
    ],
)
def test_labels_that_are_refused(labels: Tensor, message: str) -> None:
    with pytest.raises(Refused, match=message):
        arranged(labels)


def test_names_of_classes_are_compared_without_signs() -> None:
    assert labels_of(["ankle_boot", "T-Shirt Top"], GREY) == [1, 0]
    assert labels_of(["1", "0"], GREY) == [1, 0]
    assert labels_of(["0", "2"], GREY) is None and labels_of(["boot", "shirt"], GREY) is None
