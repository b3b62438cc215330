"""Images that stay bytes: to others a tensor of the same values, made as far as they are asked for."""

import hashlib

import pytest
import torch
from torch import Tensor

from suite.core.data import stored_images
from suite.core.data.preprocessing import Normalise
from suite.core.data.stored_images import StoredImages
from suite.core.examples import Examples, TestSplit

BYTES = torch.randint(0, 256, (12, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LOOK = Normalise((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
VALUES = LOOK.apply(BYTES.float() / 255)


def stored(rows: Tensor | None = None) -> StoredImages:
    return StoredImages(BYTES, LOOK.apply, "abc", rows)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no more than three images be made at once, and two in a piece."""
    monkeypatch.setattr(stored_images, "AT_ONCE", 3 * VALUES[0].nbytes)
    monkeypatch.setattr(stored_images, "PIECE", 2 * VALUES[0].nbytes)


@pytest.mark.parametrize(
    "index",
    [
        torch.tensor([5, 0, 5]),
        torch.tensor([[1, 2], [3, 11]]),
        torch.tensor([], dtype=torch.long),
        torch.arange(12) % 5 == 0,
        torch.tensor([-1, 2]),
        slice(2, 9, 3),
        slice(None, -10),
        7,
        -1,
    ],
    ids=str,
)
def test_a_part_has_the_bits_of_the_prepared_images(index: Tensor | slice | int) -> None:
    found = stored()[index]
    assert type(found) is Tensor and found.equal(VALUES[index])


def test_it_has_the_form_of_a_tensor_of_floats() -> None:
    images = stored()
    assert (images.shape, images.dtype, images.device) == (VALUES.shape, VALUES.dtype, VALUES.device)
    assert (len(images), images.nbytes, images.is_cuda) == (12, VALUES.nbytes, False)
    assert images.new_zeros(2).tolist() == [0, 0] and images.new_full((), 3).item() == 3
    assert torch.zeros(1, dtype=torch.float64).to(images).dtype == torch.float32
    assert images.to(torch.device("cpu")) is images and images.detach() is images
    assert repr(images) == "StoredImages([12, 3, 4, 4], device=cpu)"


def test_what_needs_all_values_gets_them_or_says_how_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.allclose(stored().mean((0, 2, 3)), VALUES.mean((0, 2, 3)))
    assert (stored() + VALUES).equal(2 * VALUES)
    monkeypatch.setattr(stored_images, "AT_ONCE", VALUES.nbytes - 1)
    with pytest.raises(ValueError, match=r"mean.* needs all 12 images at once, 0 GB; this task is for"):
        stored().mean((0, 2, 3))


@pytest.mark.usefixtures("small")
def test_a_large_part_stays_stored_and_parts_of_it_are_the_right_ones() -> None:
    rows = torch.tensor([3, 1, 4, 1, 5, 9])
    part = stored()[rows]
    assert isinstance(part, StoredImages) and part.shape == (6, 3, 4, 4)
    again = part[torch.tensor([5, 0, 1, 2])]
    assert isinstance(again, StoredImages) and again[1:3].equal(VALUES[[3, 1]])
    assert part[-1].equal(VALUES[9]) and part[::3].equal(VALUES[[3, 1]])
    assert isinstance(stored()[:5], StoredImages) and isinstance(stored()[:], StoredImages)


@pytest.mark.usefixtures("small")
def test_extremes_are_found_in_pieces() -> None:
    for axes in ((0, 2, 3), (0,), (1, 2)):
        assert stored().amin(axes).equal(VALUES.amin(axes))
        assert stored().amax(axes, keepdim=True).equal(VALUES.amax(axes, keepdim=True))
    rows = torch.tensor([2, 3, 5, 7, 11])
    assert stored(rows).amax((0, 2, 3)).equal(VALUES[rows].amax((0, 2, 3)))


@pytest.mark.usefixtures("small")
def test_examples_are_divided_and_hashed_without_a_look_at_their_pixels() -> None:
    labels = torch.arange(12) % 2

    def digest(examples: Examples) -> str:
        examples.hash_into(found := hashlib.sha256())
        return found.hexdigest()

    train = Examples(stored(), labels, 2)
    part = train.take(torch.tensor([0, 2, 3, 4]))
    assert isinstance(part.images, StoredImages) and part.labels.tolist() == [0, 0, 1, 0]
    others = [
        train.take(torch.tensor([0, 2, 3, 6])),
        Examples(StoredImages(BYTES, LOOK.apply, "b"), labels, 2),
    ]
    assert len({digest(each) for each in (train, part, *others)}) == 4
    assert digest(Examples(stored(), labels, 2)) == digest(train)
    assert TestSplit(train).to(torch.device("cpu")).read().images[3:5].equal(VALUES[3:5])
