"""Codes: what they decode to, by hand; what they store; what is refused."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.seeding import generator
from suite.core.sets import parametrisations
from suite.core.sets.parametrisations import Linear, MultiFormation, Parametrisation
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet


def linear(height: int = 2, width: int = 2) -> Linear:
    """Two bases of 2x2 pixels; two classes of three images."""
    bases = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 1.0], [0.0, 0.0]]]])
    coefficients = torch.tensor(
        [[[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]], [[0.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]]
    )
    return Linear(bases, coefficients, height, width)


def formation(side: int = 4, factor: int = 2) -> MultiFormation:
    return MultiFormation(torch.arange(2.0 * side * side).reshape(1, 2, 1, side, side), factor)


CODES: list[Parametrisation] = [linear(), linear(4, 6), formation(), formation(6, 3), formation(3, 1)]


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
        leaves = {name: value.clone().requires_grad_() for name, value in code.tensors.items()}
        dataclasses.replace(code, **leaves).decode().square().sum().backward()
        assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves.values())


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{code.kind}-{code.settings}")
def test_a_code_comes_back_from_its_description_and_tensors(code: Parametrisation) -> None:
    found = parametrisations.read(parametrisations.describe(code), {**code.tensors, "labels": torch.zeros(1)})
    assert type(found) is type(code) and found.settings == code.settings
    assert torch.equal(found.decode(), code.decode())


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{code.kind}-{code.settings}")
def test_the_loader_decodes_without_us(code: Parametrisation) -> None:
    names: dict[str, Any] = {
        "torch": torch,
        "tensors": code.tensors,
        "facts": {"parametrisation": parametrisations.describe(code)},
    }
    exec(code.loader, names)
    assert torch.equal(names["images"], code.decode().flatten(0, 1))


def test_only_a_codes_tensors_are_one() -> None:
    assert parametrisations.is_factorised(["labels", "bases", "coefficients"])
    assert parametrisations.is_factorised(["formations"])
    assert not parametrisations.is_factorised(["images", "labels"])
    assert not parametrisations.is_factorised(["bases"])


@pytest.mark.parametrize(
    ("description", "tensors", "message"),
    [
        (
            {"kind": "wavelet", "settings": {}},
            {},
            "unknown parametrisation 'wavelet'; known: .*linear, multi_formation",
        ),
        ({"kind": "linear", "settings": {"height": 2}}, {}, "a linear parametrisation cannot be made"),
        (
            {"kind": "multi_formation", "settings": {"factor": 3}},
            {"formations": torch.zeros(1, 1, 1, 4, 4)},
            "factor 3 must be at least 1 and divide 4x4 images evenly",
        ),
        (
            {"kind": "linear", "settings": {"height": 2, "width": 2}},
            {"bases": torch.zeros(3, 1, 2, 2), "coefficients": torch.zeros(2, 1, 2)},
            "2 coefficients an image for 3 bases",
        ),
    ],
)
def test_what_fits_nothing_is_refused(
    description: dict[str, Any], tensors: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parametrisations.read(description, tensors)


def test_a_set_stores_its_code_and_shows_its_images() -> None:
    made = SyntheticSet.from_parametrisation(formation())
    assert (made.classes, made.ipc, made.hard) == (1, 8, True)
    assert made.stored_bytes == 2 * 16 * 4
    assert SyntheticSet.from_parametrisation(linear(8, 8)).stored_bytes == (2 * 4 + 2 * 3 * 2) * 4
    with pytest.raises(ValueError, match="a linear set is stored as a whole"):
        SyntheticSet.from_parametrisation(linear()).prefix(1)


def test_a_prefix_of_formations_is_stored_and_decoded_alone() -> None:
    made = SyntheticSet.from_parametrisation(formation(), Minibatch(6))
    first = made.prefix(1)
    assert (made.stored_ipc, first.stored_ipc, first.ipc) == (2, 1, 4) and first.minibatch == Minibatch(4)
    assert first.parametrisation is not None and first.stored_bytes == 16 * 4 and first.hard
    assert torch.equal(first.images, made.images[:, :4])
    assert torch.equal(first.parametrisation.decode(), first.images)
    for wrong in (0, 3):
        with pytest.raises(ValueError, match=f"prefix of {wrong} images per class: this set has 2"):
            made.prefix(wrong)


@pytest.mark.parametrize("code", [formation(), formation(6, 3), formation(3, 1)], ids=str)
def test_formations_hold_their_images_in_another_order(code: MultiFormation) -> None:
    count = code.decode().shape[1]
    order = torch.randperm(count, generator=generator(0))[None]
    assert torch.equal(code.reordered(order).decode(), code.decode()[:, order[0]])
    assert torch.equal(code.reordered(torch.arange(count)[None]).formations, code.formations)


def test_learned_labels_are_stored_beside_a_code() -> None:
    made = SyntheticSet.from_parametrisation(linear())
    soft = dataclasses.replace(made, labels=made.labels * 0.9)
    assert soft.stored_bytes == made.stored_bytes + 2 * 3 * 2 * 4


def test_a_set_moves_with_its_code() -> None:
    made = SyntheticSet.from_parametrisation(linear()).to(torch.device("meta"))
    assert made.parametrisation is not None and {
        value.device.type for value in made.parametrisation.tensors.values()
    } == {"meta"}


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
