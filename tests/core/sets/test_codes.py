"""Codes: what they decode to, by hand."""

import dataclasses

import pytest
import torch

from suite.core.seeding import generator
from suite.core.sets.codes import Images, Linear, MultiFormation
from tests.support.codes import CODES, formation, linear


def test_an_image_is_the_sum_of_bases_times_coefficients() -> None:
    images = linear().decode()
    assert images.shape == (2, 3, 1, 2, 2)
    assert images[0].flatten(1).tolist() == [[1, 2, 3, 4], [0, 1, 0, 0], [2, 3, 6, 8]]
    assert images[1].flatten(1).tolist() == [[0, 0, 0, 0], [1, 3, 3, 4], [-1, -2, -3, -4]]


def test_bases_are_enlarged_bilinearly() -> None:
    # Twice the pixels: their centres lie a quarter of a small pixel from the small ones' centres.
    row = linear(2, 4).decode()[0, 0, 0, 0].tolist()
    assert row == pytest.approx([1, 1.25, 1.75, 2])


def test_rows_are_class_major() -> None:
    code = linear(4, 4)
    assert torch.equal(code.rows(torch.tensor([5, 0])), code.decode().flatten(0, 1)[[5, 0]])


def test_a_formation_is_cut_row_by_row_into_images() -> None:
    # 4x4 pixels numbered row by row; quarters begin with pixels 0, 2, 8 and 10.
    images = formation().decode()
    assert images.shape == (1, 8, 1, 4, 4)
    corners = [(0, 1, 4, 5), (2, 3, 6, 7), (8, 9, 12, 13), (10, 11, 14, 15)]
    for found, quarter in zip(images[0], corners, strict=False):
        assert [float(found[0, y, x]) for y in (0, -1) for x in (0, -1)] == list(quarter)
    assert torch.equal(images[0, 4:], images[0, :4] + 16)
    assert images[0, 0, 0, 0].tolist() == [0, 0.25, 0.75, 1]


def test_a_factor_of_one_is_the_images_themselves() -> None:
    assert torch.equal(formation(3, 1).decode(), formation(3, 1).formations)


def test_gradients_reach_what_is_stored() -> None:
    for code in CODES:
        floats = {name: value for name, value in code.tensors.items() if value.is_floating_point()}
        leaves = {name: value.clone().requires_grad_() for name, value in floats.items()}
        dataclasses.replace(code, **leaves).decode().square().sum().backward()
        assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves.values())


def test_random_formations_decode_like_a_loop() -> None:
    stored = torch.randn(2, 3, 3, 6, 4, generator=generator(0))
    images = MultiFormation(stored, 2).decode()
    for label in range(2):
        for place in range(12):
            whole, (row, column) = stored[label, place // 4], divmod(place % 4, 2)
            part = whole[:, 3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            grown = torch.nn.functional.interpolate(part[None], (6, 4), mode="bilinear")[0]
            assert torch.allclose(images[label, place], grown, atol=1e-6)


def test_formations_stand_for_images() -> None:
    code = MultiFormation(torch.zeros(2, 3, 1, 4, 4), 2)
    assert code.stored_ipc == 3 and code.decode().shape[1] == 12
    assert Linear(torch.zeros(3, 1, 4, 4), torch.zeros(2, 5, 3), 8, 8).stored_ipc is None


def test_plain_images_are_a_code_of_themselves() -> None:
    images = torch.rand(2, 3, 1, 4, 4)
    assert torch.equal(Images(images).decode(), images) and Images(images).stored_ipc == 3
    with pytest.raises(ValueError, match=r"images \(6, 1, 4, 4\) must be \(classes, n,"):
        Images(images.flatten(0, 1))
