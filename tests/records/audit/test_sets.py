"""Sets are read as arrays, and never decoded. More in tests/behaviour/test_audit_of_cheats.py."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from suite.core.sets.artefacts import write_artefact
from suite.core.sets.codes import Images
from suite.core.sets.manifest import loader
from suite.core.sets.parametrisations import Frequencies, Linear, MultiFormation, Quantised
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.records.audit import sets
from suite.records.audit.findings import Findings


def test_the_loaders_of_this_release_are_known() -> None:
    factorised = (
        MultiFormation(torch.zeros(2, 1, 1, 4, 4), 2),
        Linear(torch.zeros(2, 1, 2, 2), torch.zeros(2, 3, 2), 4, 4),
        Frequencies.of(torch.zeros(2, 1, 1, 4, 4), 3),
    )
    quantised = (Quantised.encode(code, 4) for code in (Images(torch.zeros(2, 1, 1, 4, 4)), *factorised))
    codes = (None, *factorised, *quantised)
    made = {hashlib.sha256(loader("NAME.safetensors", code).encode()).hexdigest() for code in codes}
    assert made == sets.LOADERS


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"labels": torch.ones(2, 1, 2)}, "not images and labels"),
        ({"images": torch.ones(2, 1, 1, 4, 4)}, "not images and labels"),
        ({"images": torch.ones(2, 1, 1, 4, 4).half(), "labels": one_hot(2, 1)}, "F16"),
        ({"images": torch.full((2, 1, 1, 4, 4), torch.inf), "labels": one_hot(2, 1)}, "not finite"),
        ({"images": torch.ones(2, 1, 1, 4, 4), "labels": one_hot(2, 2)}, "its images are"),
        ({"images": torch.ones(2, 1, 1, 4, 4), "labels": torch.ones(2, 1, 3)}, "its labels are"),
        ({"images": torch.ones(2, 1, 1, 4, 4), "labels": -one_hot(2, 1)}, "negative"),
        ({"images": torch.ones(2, 1, 1, 4, 4), "labels": torch.zeros(2, 1, 2)}, "all zero"),
    ],
)
def test_what_is_no_set_is_refused(tensors: dict[str, torch.Tensor], told: str, tmp_path: Path) -> None:
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "set.safetensors")
    with pytest.raises(ValueError, match=told):
        sets.read(tmp_path / "set.safetensors")


def test_a_factorised_set_is_measured_without_decoding(tmp_path: Path) -> None:
    tensors = {"formations": torch.rand(2, 1, 1, 4, 4), "labels": torch.rand(2, 4, 2) + 0.1}
    save_file(tensors, tmp_path / "set.safetensors")
    found = sets.read(tmp_path / "set.safetensors")
    assert found == sets.Stored(
        classes=2, images=4, shape=(), stored_bytes=2 * 16 * 4 + 2 * 4 * 2 * 4, hard=False
    )


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_bytes_of_a_quantised_set_are_those_of_its_file(bits: int, tmp_path: Path) -> None:
    """All but the header of safetensors, and the labels, which are hard."""
    made = SyntheticSet.with_hard_labels(torch.rand(3, 2, 1, 5, 5)).quantised(bits)
    path = tmp_path / "set.safetensors"
    write_artefact(path, made, {})
    found = sets.read(path)
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    assert found.stored_bytes == made.stored_bytes == path.stat().st_size - header - made.labels.nbytes
    assert (found.classes, found.images, found.shape, found.hard) == (3, 2, (), True)


def test_bytes_in_place_of_images_are_no_set(tmp_path: Path) -> None:
    tensors = {"images": torch.ones(2, 1, 1, 4, 4, dtype=torch.uint8), "labels": one_hot(2, 1)}
    save_file(tensors, tmp_path / "set.safetensors")
    with pytest.raises(ValueError, match="its images are U8, not float32"):
        sets.read(tmp_path / "set.safetensors")


def test_the_weights_of_teachers_are_counted_apart(tmp_path: Path) -> None:
    tensors = {"images": torch.ones(2, 1, 1, 4, 4), "labels": one_hot(2, 1), "teacher-0": torch.ones(5)}
    path = tmp_path / "set.safetensors"
    save_file(tensors, path)
    plain = sets.Stored(classes=2, images=1, shape=(1, 4, 4), stored_bytes=128, hard=True)
    assert sets.read(path) == replace(plain, teachers=1, teacher_bytes=20)
    for wrong, told in (
        ({"teacher-0": torch.full((5,), torch.nan)}, "the weights of a teacher are not finite"),
        ({"teacher-0": torch.ones(5).half()}, "not a row of float32 numbers"),
        ({"teacher-0": torch.ones(5, 1)}, "not a row of float32 numbers"),
    ):
        save_file({**tensors, **wrong}, path)
        with pytest.raises(ValueError, match=told):
            sets.read(path)


def test_a_set_that_fills_memory_is_refused(tmp_path: Path) -> None:
    """The file is sparse: it takes no room on disk."""
    path, size = tmp_path / "set.safetensors", 2**34
    header = {
        "images": {"dtype": "F32", "shape": [1, 1, 1, 2**16, 2**14], "data_offsets": [0, 2**32]},
        "labels": {"dtype": "F32", "shape": [1, 1, 1], "data_offsets": [2**32, 2**32 + 4]},
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 2**32 + 4)
    with pytest.raises(ValueError, match="which no set has"):
        sets.read(path)
    path.with_suffix(".json").write_text("{}")
    os.truncate(path, size + 1)
    found = Findings(tmp_path)
    sets.check(path, None, None, found)
    assert "larger than 16 GiB" in found.found[0].what
