"""`ratbench export`, and the loader that every manifest brings along."""

import json
from pathlib import Path

import datasets as huggingface  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.seeding import generator
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import manifest
from suite.core.sets.parametrisations import Linear
from suite.core.sets.synthetic_set import SyntheticSet
from suite.external.locate import locate
from suite.external.sandbox import read
from suite.figures.publish import plot_artefact
from suite.records.cells import Trial
from suite.records.store import Store
from tests.support import foreign_sets
from tests.support.command_line import ratbench, refused

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here")


def kept(store: Store, synthetic: SyntheticSet) -> Path:
    trial = Trial(task="digits", method="random_subset", hyperparameters={}, ipc=2, seed=0)
    path = store.artefact(trial.id)
    cell, task = trial.model_dump(mode="json"), foreign_sets.task()
    write_artefact(path, synthetic, manifest(cell, task, "mine", path.name, synthetic.parametrisation))
    return path


@pytest.fixture
def artefact(store: Store) -> Path:
    return kept(store, foreign_sets.digits())


@pytest.fixture
def learned(store: Store) -> Path:
    found = foreign_sets.digits()
    return kept(store, SyntheticSet(found.images, found.labels * 0.9 + 0.01))


@pytest.fixture
def factorised(store: Store) -> Path:
    """Bases of 4x4 pixels, within what digits may have, and four images of each class."""
    low, high = foreign_sets.digits().images.aminmax()
    rng = generator(0)
    bases = low + (high - low) * torch.rand(3, 1, 4, 4, generator=rng)
    coefficients = torch.eye(3)[torch.randint(3, (10, 4), generator=rng)]
    return kept(store, SyntheticSet.from_parametrisation(Linear(bases, coefficients, 8, 8)))


def export(artefact: Path, format: str) -> str:
    result = ratbench("export", artefact, "--format", format, "--output", "out")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tensors_come_back_bit_for_bit(artefact: Path) -> None:
    assert "evaluate it with --preprocessing task" in export(artefact, "pt")
    back = read(locate(Path("out")), foreign_sets.WANTED).synthetic
    assert torch.equal(back.images, foreign_sets.digits().images) and back.hard
    assert torch.load("out/labels_best.pt", weights_only=True).dtype == torch.int64


def test_learned_labels_come_back_too(learned: Path) -> None:
    export(learned, "pt")
    back = read(locate(Path("out")), foreign_sets.WANTED).synthetic
    assert torch.equal(back.labels, foreign_sets.digits().labels * 0.9 + 0.01)


@pytest.mark.parametrize("format", ["folder", "hf"])
def test_pictures_come_back_as_bytes(artefact: Path, format: str) -> None:
    """The artefact lies beside them; without it the pictures are read."""
    assert "the exact tensors are in exact.safetensors" in export(artefact, format)
    exact = read(locate(Path("out")), foreign_sets.WANTED)
    assert torch.equal(exact.synthetic.images, foreign_sets.digits().images) and exact.manifest
    Path("out/exact.safetensors").unlink()
    back = read(locate(Path("out")), foreign_sets.WANTED)
    assert back.raw and back.synthetic.hard
    assert torch.equal(back.synthetic.images.flatten(0, 1), foreign_sets.pixels() / 255)


def test_others_read_the_dataset(learned: Path) -> None:
    assert "the labels are learned" in export(learned, "hf")
    found = huggingface.load_from_disk("out")
    assert found.features["label"].names == list("0123456789") and found["label"][:3] == [0, 0, 1]
    assert found[5]["image"].size == (8, 8) and sum(found[5]["target"]) == pytest.approx(1.0)


def test_a_format_that_cannot_have_the_names_is_refused(artefact: Path) -> None:
    manifest = json.loads(artefact.with_suffix(".json").read_text())
    manifest["class_names"][1] = manifest["class_names"][0]
    artefact.with_suffix(".json").write_text(json.dumps(manifest))
    words = ("export", artefact, "--output", "out", "--format")
    refused(ratbench(*words, "hf"), "two classes are called '0'", "choose --format pt or folder")
    assert not Path("out").exists() and ratbench(*words, "folder").exit_code == 0


def test_folders_hold_plain_pictures(artefact: Path) -> None:
    export(artefact, "folder")
    with Image.open("out/7/0001.png") as image:
        assert (np.asarray(image) == foreign_sets.pixels()[15, 0].numpy()).all()


def test_a_factorised_set_is_exported_decoded(factorised: Path) -> None:
    said = export(factorised, "pt")
    assert "the 4 images per class that a linear code of 672 bytes decodes to" in " ".join(said.split())
    images = torch.load("out/images_best.pt", weights_only=True)
    assert torch.equal(images, load_artefact(factorised)[0].images.flatten(0, 1))


def test_pictures_of_a_factorised_set(factorised: Path) -> None:
    export(factorised, "folder")
    assert sorted(path.name for path in Path("out/3").iterdir()) == [f"{n:04}.png" for n in range(4)]
    assert read(locate(Path("out")), foreign_sets.WANTED).synthetic.parametrisation is not None
    plot_artefact(factorised, Path("set.png"))
    with Image.open("set.png") as picture:
        assert picture.height == 10 * 66 - 2


def test_the_loader_decodes_a_factorised_set(factorised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = json.loads(factorised.with_suffix(".json").read_text())["loader"]
    assert "suite" not in loader
    monkeypatch.chdir(factorised.parent)
    names: dict[str, object] = {}
    exec(loader, names)
    images, targets = names["images"], names["targets"]
    assert isinstance(images, torch.Tensor) and isinstance(targets, torch.Tensor)
    assert torch.equal(images, load_artefact(factorised)[0].images.flatten(0, 1)) and targets.shape == (
        40,
        10,
    )


def test_nothing_is_overwritten(artefact: Path, tmp_path: Path) -> None:
    export(artefact, "pt")
    refused(ratbench("export", artefact, "--format", "hf", "--output", "out"), "out exists")
    refused(ratbench("export", "none.safetensors", "--format", "pt", "--output", "new"), "cannot be read")
    assert not Path("new").exists()


def test_the_loader_in_the_manifest_works(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = json.loads(artefact.with_suffix(".json").read_text())["loader"]
    assert "suite" not in loader and len(loader.splitlines()) <= 12
    monkeypatch.chdir(artefact.parent)
    names: dict[str, object] = {}
    exec(loader, names)
    images, targets = names["images"], names["targets"]
    assert isinstance(images, torch.Tensor) and isinstance(targets, torch.Tensor)
    assert torch.equal(images, foreign_sets.flat()[0]) and targets.shape == (20, 10)
    assert isinstance(names["loader"], torch.utils.data.DataLoader) and len(names["loader"]) == 1
