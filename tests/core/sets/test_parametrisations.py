"""Codes in files and sets: what they store, and what is refused; codes of codes."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from suite.core.seeding import generator
from suite.core.sets import parametrisations
from suite.core.sets.codes import Images, MultiFormation, Parametrisation
from suite.core.sets.packing import Packed
from suite.core.sets.parametrisations import Frequencies, Quantised
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from tests.support.codes import CODES, formation, frequencies, linear

QUANTISED = [
    Quantised.encode(Images(torch.arange(12.0).reshape(1, 3, 1, 2, 2)), 8),
    Quantised.encode(Images(torch.arange(18.0).reshape(2, 1, 1, 3, 3)), 2),
    *(Quantised.encode(code, 4) for code in CODES),
]


def name(code: Parametrisation) -> str:
    return f"{code.kind}-{getattr(code, 'bits', '')}-{code.settings}"


def _described(**changes: Any) -> dict[str, Any]:
    return {**parametrisations.describe(QUANTISED[0]), **changes}


@pytest.mark.parametrize("code", [*CODES, *QUANTISED], ids=name)
def test_a_code_comes_back_from_its_description_and_tensors(code: Parametrisation) -> None:
    found = parametrisations.read(parametrisations.describe(code), {**code.tensors, "labels": torch.zeros(1)})
    assert type(found) is type(code) and found.settings == code.settings
    assert torch.equal(found.decode(), code.decode())


@pytest.mark.parametrize("code", [*CODES, *QUANTISED], ids=name)
def test_the_loader_decodes_without_us(code: Parametrisation) -> None:
    names: dict[str, Any] = {
        "torch": torch,
        "tensors": code.tensors,
        "facts": {"parametrisation": parametrisations.describe(code)},
    }
    exec(code.lines, names)
    assert torch.equal(names["images"], code.decode().flatten(0, 1))


def test_only_a_codes_tensors_are_one() -> None:
    assert parametrisations.is_factorised(["labels", "bases", "coefficients"])
    assert parametrisations.is_factorised(["formations"])
    assert not parametrisations.is_factorised(["images", "labels"])
    assert not parametrisations.is_factorised(["bases"])
    assert parametrisations.is_factorised(QUANTISED[0].tensors)
    assert not parametrisations.is_factorised(["images", "labels", "images.packed"])


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
        (_described(of="wavelet"), QUANTISED[0].tensors, "unknown parametrisation 'wavelet'"),
        (_described(of="quantised"), QUANTISED[0].tensors, "a quantised set is not quantised again"),
        (_described(of="linear"), QUANTISED[0].tensors, "a linear parametrisation cannot be made of"),
        (_described(bits=4), QUANTISED[0].tensors, r"\(12,\) torch.uint8 for 12 numbers of 4 bits"),
        (_described(bits=3), QUANTISED[0].tensors, "bits 3: choose 8, 4 or 2"),
        (_described(shapes={"images": [12]}), QUANTISED[0].tensors, r"a shape of \[12\] for scales \(3,\)"),
        (_described(shapes={"images": [1, 3, 2, 2]}), QUANTISED[0].tensors, "must be \\(classes, n, chan"),
        (_described(shapes={}), QUANTISED[0].tensors, "a plain parametrisation cannot be made of"),
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


class TestFrequencies:
    def test_its_transform_is_scipys(self) -> None:
        """All frequencies are scipy's coefficients, and those that are kept give scipy's inverse."""
        for height, width in ((3, 5), (8, 8), (28, 28)):
            images = torch.randn(2, 3, 2, height, width, generator=generator(0), dtype=torch.float64)
            spectra = dctn(images.numpy(), axes=(3, 4))
            whole = Frequencies.of(images, height * width)
            assert np.allclose(whole.coefficients.unflatten(3, (height, width)), spectra, atol=1e-10)
            assert torch.allclose(whole.decode(), images, atol=1e-12)
            some = Frequencies.of(images, 4)
            bits = np.unpackbits(some.mask.numpy(), axis=1, bitorder="little")[:, : height * width]
            kept = bits.reshape(2, 1, 1, height, width) * spectra
            assert (bits.sum(1) == 4).all()
            assert np.allclose(some.decode(), idctn(kept, axes=(3, 4)), atol=1e-12)

    def test_large_images_are_exact_in_float32(self) -> None:
        images = torch.randn(1, 1, 1, 2, 512, generator=generator(0))
        assert np.allclose(
            Frequencies.of(images, 1024).coefficients.flatten(),
            dctn(images[0, 0, 0].numpy()).flatten(),
            atol=2e-3,
        )

    def test_a_class_has_the_frequencies_at_which_its_images_vary_most(self) -> None:
        """Of 2x2 pixels, frequency 0 is 4 times their sum, frequency 1 is 2 sqrt(2) times left less right."""
        flat, across = torch.ones(2, 2), torch.tensor([[1.0, -1.0], [1.0, -1.0]])
        images = torch.stack(
            [
                torch.stack(
                    [5 * across, 5 * across + flat]
                ),  # 0 varies by 16; what is the same counts nothing
                torch.stack([5 * flat, 5 * flat + across]),  # 1 varies by 8 sqrt(2)
                torch.stack([0 * flat, flat + 1.2 * across]),  # 0 by 16, and 1 by 13.6
                torch.stack([0 * flat, flat + 1.5 * across]),  # 0 by 16, and 1 by 17
            ]
        )[:, :, None]
        found = Frequencies.of(images, 1)
        assert found.mask.tolist() == [[1], [2], [1], [2]]
        root = 2**0.5
        expected = [[0, 16], [0, 8 * root], [0, 16], [0, 12 * root]]
        assert torch.allclose(found.coefficients.view(4, 2), torch.tensor(expected), atol=1e-5)
        assert torch.allclose(found.decode()[1, 1, 0], across, atol=1e-6)

    def test_frequencies_are_chosen_by_the_mean_of_the_channels(self) -> None:
        flat, across = torch.ones(2, 2), torch.tensor([[1.0, -1.0], [1.0, -1.0]])
        second = torch.stack([9 * flat + across, across - 9 * flat])  # the 9s cancel
        found = Frequencies.of(torch.stack([torch.zeros_like(second), second])[None], 1)
        assert found.mask.tolist() == [[2]]
        assert torch.allclose(found.coefficients[0, 1], torch.full((2, 1), 8 * 2**0.5))

    def test_coefficients_and_masks_are_counted(self) -> None:
        """Fifteen frequencies take two bytes of a class's mask."""
        assert frequencies().nbytes == 2 * 3 * 2 * 4 * 4 + 2 * 2
        assert Quantised.encode(frequencies(), 2).nbytes == 2 * 3 * 2 * 4 // 4 + 2 * 3 * 8 + 2 * 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"mask": torch.zeros(2, 3, dtype=torch.uint8)},
                r"mask \(2, 3\) must be .* \(2, 2\) bytes, a bit for",
            ),
            ({"mask": torch.zeros(2, 2)}, r"\(2, 2\) bytes, a bit for each of 15 frequencies"),
            ({"height": 6}, r"\(2, 4\) bytes, a bit for each of 30 frequencies"),
            ({"coefficients": torch.zeros(2, 3, 2, 5)}, "has 5 coefficients; its mask must have as many"),
            ({"mask": torch.tensor([[15, 0], [7, 128]], dtype=torch.uint8)}, "has 4 coefficients; its mask"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(frequencies(), **changes)


class TestQuantised:
    @pytest.mark.parametrize("code", CODES, ids=name)
    def test_a_code_of_a_code_decodes_the_rounded_one(self, code: Parametrisation) -> None:
        """At 8 bits to nearly the same images; it says the size that the code stands for."""
        found = Quantised.encode(code, 8)
        assert type(found.restored()) is type(code) and found.stored_ipc == code.stored_ipc
        assert torch.allclose(found.decode(), code.decode(), atol=0.03 * float(code.decode().abs().max()))

    def test_its_bytes_are_counted_with_scales_and_offsets(self) -> None:
        """18 numbers of 2 bits in 5 bytes; two planes, each with two floats."""
        assert QUANTISED[1].nbytes == 5 + 2 * 2 * 4
        assert QUANTISED[1].tensors.keys() == {"images.packed", "images.scale", "images.offset"}

    def test_a_set_keeps_everything_but_its_images(self) -> None:
        images = torch.randn(2, 3, 1, 4, 4)
        labels = torch.rand(2, 3, 2) + 0.1
        plain = SyntheticSet(images, labels, lr=0.3, data="digest")
        made = plain.quantised(4)
        assert made.parametrisation is not None
        assert torch.equal(made.images, made.parametrisation.decode())
        assert dataclasses.replace(made, images=images, parametrisation=None) == plain
        assert made.stored_bytes == 6 * (8 + 8) + labels.nbytes

    def test_what_cannot_be_quantised_is_refused(self) -> None:
        made = SyntheticSet.with_hard_labels(torch.rand(2, 1, 1, 2, 2))
        for bits in (0, 1, 3, 16, 32, True, 4.0):
            with pytest.raises(ValueError, match=f"bits {bits}: choose 8, 4 or 2"):
                made.quantised(bits)  # type: ignore[arg-type]
        with pytest.raises(
            ValueError, match=r"a quantised set stores bytes.*quantise the set that it was made"
        ):
            made.quantised(8).quantised(4)
        with pytest.raises(ValueError, match="stored as a whole; cut it before it is quantised"):
            made.quantised(8).prefix(1)
        for value in (torch.nan, torch.inf, -torch.inf):
            made.images[1, 0, 0, 0, 0] = value
            with pytest.raises(ValueError, match=r"the images are not finite.* cannot be quantised; keep"):
                made.quantised(8)

    def test_a_code_of_others_is_limited_by_the_images_not_by_its_bits(self) -> None:
        """At 2 bits a byte becomes 16 bytes of floats; that is no bomb, a factor of 300 is one."""
        assert torch.equal(parametrisations.decoded(QUANTISED[1]), QUANTISED[1].decode())
        bomb = MultiFormation(torch.rand(1, 1, 1, 300, 300), 300)
        with pytest.raises(ValueError, match=r"a quantised set of \d+ bytes that decodes to 30899 MiB"):
            parametrisations.decoded(Quantised.encode(bomb, 2))


@pytest.mark.parametrize("code", QUANTISED)
def test_a_quantised_code_is_read_without_computing(code: Quantised, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confined process reads it, and what torch computes without numbers imports torch's compiler."""
    monkeypatch.setattr(Packed, "values", lambda _: pytest.fail("floats were computed"))
    found = parametrisations.read(parametrisations.describe(code), code.tensors)
    assert isinstance(found, Quantised) and found.parts.keys() == code.parts.keys()
