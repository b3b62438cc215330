"""Numbers of few bits in bytes: by hand, and by property."""

from dataclasses import replace
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from suite.core.sets.packing import BITS, Packed

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Draw values of any magnitude, and planes that are constant."""
    shape = draw(SHAPES)
    values = draw(
        st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=prod(shape), max_size=prod(shape))
        | st.lists(st.sampled_from([-1.0, 0.0, 0.3, 7.5]), min_size=prod(shape), max_size=prod(shape))
    )
    return torch.tensor(values).view(shape)


def test_numbers_lie_in_bytes_from_the_lowest_bits_up() -> None:
    """0, 1, 3, 2 at 2 bits are 0b10_11_01_00; the fifth number begins another byte."""
    found = Packed.of(torch.tensor([0.0, 1.0, 3.0, 2.0, 1.0]), 2)
    assert found.packed.tolist() == [0b10_11_01_00, 0b01]
    assert (found.scale.tolist(), found.offset.tolist()) == ([1.0], [0.0])
    assert Packed.of(torch.tensor([0.0, 15.0, 4.0]), 4).packed.tolist() == [0xF0, 0x04]
    assert Packed.of(torch.tensor([0.0, 255.0, 4.0]), 8).packed.tolist() == [0, 255, 4]


def test_each_plane_has_its_own_ends() -> None:
    images = torch.tensor([[0.0, 1.0], [100.0, 400.0], [5.0, 5.0]]).view(1, 3, 1, 2)
    found = Packed.of(images, 2)
    assert found.offset.tolist() == [0, 100, 5] and found.scale.tolist() == pytest.approx([1 / 3, 100, 0])
    assert torch.equal(found.values(), images)


@settings(max_examples=60, deadline=None)
@given(tensors(), st.sampled_from(BITS))
def test_the_error_of_a_value_is_at_most_half_a_step(values: Tensor, bits: int) -> None:
    found = Packed.of(values, bits)
    planes = values.double().reshape(prod(values.shape[:-2]), -1)
    step = (planes.amax(1) - planes.amin(1)) / (2**bits - 1)
    rounding = 4 * torch.finfo(torch.float32).eps * planes.abs().amax(1)
    error = (found.values().double().view_as(planes) - planes).abs().amax(1)
    assert found.values().shape == values.shape
    assert (error <= step / 2 + rounding + 1e-44).all()


@settings(max_examples=60, deadline=None)
@given(st.data(), SHAPES, st.sampled_from(BITS))
def test_numbers_come_back(data: st.DataObject, shape: tuple[int, ...], bits: int) -> None:
    """Packed bytes are any bytes: all numbers of all widths are read from where they lie."""
    count, planes = prod(shape), prod(shape[:-2])
    numbers = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=count, max_size=count))
    held = sum(number << (bits * at) for at, number in enumerate(numbers))
    stored = torch.tensor(list(held.to_bytes(-(-count * bits // 8), "little")), dtype=torch.uint8)
    found = Packed(stored, torch.ones(planes), torch.zeros(planes), shape, bits)
    assert found.values().flatten().tolist() == numbers
    again = Packed.of(found.values(), bits)
    assert len(again.packed) == len(stored)
    if {0, 2**bits - 1} <= set(numbers) and planes == 1:
        assert torch.equal(again.packed, stored)


def test_what_does_not_fit_is_refused() -> None:
    good = Packed.of(torch.rand(3, 2, 2), 4)
    for changes, message in (
        ({"shape": (3, 2, 3)}, r"\(6,\) torch.uint8 for 18 numbers of 4 bits"),
        ({"shape": (2, 3, 2)}, r"a shape of \[2, 3, 2\] for scales \(3,\)"),
        ({"shape": (3, -2, -2)}, "a shape of"),
        ({"packed": good.packed.int()}, "torch.int32 for 12 numbers"),
        ({"offset": good.offset[:2]}, "each plane needs a scale and an offset in float32"),
        ({"scale": good.scale.double()}, "each plane needs a scale"),
        ({"bits": 5}, "bits 5: choose 8, 4 or 2"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(good, **changes)
    with pytest.raises(ValueError, match="too far apart for float32"):
        Packed.of(torch.tensor([-3e38, 3e38]), 8)
