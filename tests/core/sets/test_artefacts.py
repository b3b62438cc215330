"""Sets on disk: what is written is read, and nothing else is taken for one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact, load_set, save_set, write_artefact
from suite.core.sets.parametrisations import MultiFormation
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, Teacher
from tests.support import foreign_sets

RNG = torch.Generator().manual_seed(0)
LEARNED = SyntheticSet(
    torch.randn(10, 2, 1, 8, 8, generator=RNG),
    torch.rand(10, 2, 10, generator=RNG),
    Minibatch(1, 5),
    lr=0.03,
)
FACTORISED = SyntheticSet.from_parametrisation(
    MultiFormation(torch.randn(10, 1, 1, 8, 8, generator=RNG), factor=2)
)


TAUGHT = replace(LEARNED, teachers=(Teacher("mlp-w8", torch.randn(9)), Teacher("mlp-w4", torch.randn(3))))


@pytest.mark.parametrize("made", [LEARNED, FACTORISED, TAUGHT], ids=["learned", "factorised", "taught"])
def test_a_set_comes_back_bit_for_bit(made: SyntheticSet, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "set.safetensors"
    sha256 = write_artefact(path, made, {"label": "mine"})
    found, manifest = load_artefact(path)
    assert torch.equal(found.images, made.images) and torch.equal(found.labels, made.labels)
    assert (found.minibatch, found.lr, found.stored_bytes) == (made.minibatch, made.lr, made.stored_bytes)
    assert [each.network for each in found.teachers] == [each.network for each in made.teachers]
    pairs = zip(found.teachers, made.teachers, strict=True)
    assert all(torch.equal(one.parameters, other.parameters) for one, other in pairs)
    assert manifest["label"] == "mine"
    assert manifest["sha256"] == sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_factorised_set_stores_its_code_alone(tmp_path: Path) -> None:
    """4 images of 8x8 a class are stored in the bytes of one, the one-hot labels beside them."""
    path = tmp_path / "set.safetensors"
    manifest = {"parametrisation": {"kind": "multi_formation", "settings": {"factor": 2}}}
    write_artefact(path, FACTORISED, {})
    assert FACTORISED.ipc == 4 and FACTORISED.stored_bytes == 10 * 64 * 4
    assert load_artefact(path)[1]["parametrisation"] == manifest["parametrisation"]
    assert path.stat().st_size < 10 * 64 * 4 + 10 * 4 * 10 * 4 + 1000


def test_a_manifest_says_what_the_images_are(tmp_path: Path) -> None:
    task = tasks.load("digits")
    save_set(foreign_sets.digits(), tmp_path / "set.safetensors", task)
    manifest = json.loads((tmp_path / "set.json").read_text())
    assert manifest["preprocessing"] == task.preprocessing.describe()
    assert manifest["class_names"] == list("0123456789") and manifest["data"] == tasks.fingerprint(task)


def test_a_file_is_neither_replaced_nor_misnamed(tmp_path: Path) -> None:
    (tmp_path / "set.safetensors").write_text("mine")
    for name, message in (
        ("set.safetensors", r"set\.safetensors exists; choose another name"),
        ("set.pt", r"the name of a set's file ends in \.safetensors"),
    ):
        with pytest.raises(ValueError, match=message):
            save_set(LEARNED, tmp_path / name, tasks.load("digits"))
    assert (tmp_path / "set.safetensors").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "does not match the sha256"),
        (lambda path: path.unlink(), "no file .*set.safetensors"),
        (lambda path: path.with_suffix(".json").unlink(), "the file or its manifest cannot be read"),
        (lambda path: path.with_suffix(".json").write_text("{"), "the file or its manifest cannot be read"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "the file or its manifest cannot be read"),
    ],
)
def test_a_damaged_one_is_refused(change: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    write_artefact(path, LEARNED, {"trial": {"seed": 0}})
    assert callable(change)
    change(path)
    with pytest.raises(ValueError, match=message):
        load_set(path)


def test_a_file_that_holds_no_tensors_is_refused_also_with_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    write_artefact(path, LEARNED, {"trial": {"seed": 0}})
    path.write_bytes(b"no tensors")
    manifest = json.loads(path.with_suffix(".json").read_text())
    sha256 = hashlib.sha256(b"no tensors").hexdigest()
    path.with_suffix(".json").write_text(json.dumps({**manifest, "sha256": sha256}))
    with pytest.raises(ValueError, match="its set cannot be read"):
        load_set(path)


def test_a_code_that_does_not_fit_its_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    write_artefact(path, FACTORISED, {})
    manifest = json.loads(path.with_suffix(".json").read_text())
    for code in (
        {"kind": "nonsense", "settings": {}},
        {"kind": "linear", "settings": {}},
        {"kind": "linear"},
    ):
        path.with_suffix(".json").write_text(json.dumps({**manifest, "parametrisation": code}))
        with pytest.raises(ValueError, match="its set cannot be read"):
            load_set(path)


@pytest.mark.parametrize(
    "minibatch", [{"per_class": 99}, {"classes": 99}, {"per_class": 1.5}, {"size": 1}, 3]
)
def test_a_minibatch_that_the_set_cannot_give_is_refused(minibatch: object, tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    write_artefact(path, LEARNED, {"trial": {"seed": 0}})
    manifest = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**manifest, "minibatch": minibatch}))
    with pytest.raises(ValueError, match=r"set\.safetensors: .* cannot be read"):
        load_set(path)
