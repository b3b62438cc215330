"""`ratbench export`, and the loader that every manifest brings along."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import datasets as huggingface  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.seeding import generator
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import manifest
from suite.core.sets.parametrisations import Linear, describe
from suite.core.sets.synthetic_set import SyntheticSet
from suite.external.labels import as_the_tasks
from suite.external.locate import locate
from suite.external.sandbox.parent import read
from suite.external.writers.card import Format
from suite.figures.publish import plot_artefact
from suite.records.cells import Trial
from suite.records.store import Store
from tests.support import cards, foreign_sets
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


def test_others_read_the_dataset(learned: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "the labels are learned" in export(learned, "hf")
    found = huggingface.load_dataset("out", split="train", cache_dir=str(tmp_path / "cache"))
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


def test_odd_class_names_lead_back_to_their_classes(artefact: Path) -> None:
    """From the folders alone, on a task with these classes."""
    names = ["..", "a/b", "", "Cat", "cat", "con", "é", "e\u0301", "x.", "a b"]
    path = artefact.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"class_names": names}))
    export(artefact, "folder")
    for name in ("exact.safetensors", "exact.json"):
        Path("out", name).unlink()
    back = read(locate(Path("out")), foreign_sets.WANTED)
    task = replace(foreign_sets.task(), class_names=tuple(names))
    found, told = as_the_tasks(back.synthetic, back.class_names, task)
    assert torch.equal(found.images.flatten(0, 1), foreign_sets.pixels() / 255) and found.hard, told


def test_a_factorised_set_is_exported_decoded(factorised: Path) -> None:
    said = export(factorised, "pt")
    assert "the 4 images per class that a linear code of 672 bytes decodes to" in " ".join(said.split())
    images = torch.load("out/images_best.pt", weights_only=True)
    assert torch.equal(images, load_artefact(factorised)[0].images.flatten(0, 1))


@pytest.mark.parametrize("format", get_args(Format))
def test_a_quantised_set_is_read_back_from_every_format(learned: Path, format: str) -> None:
    """Its code, labels, and what the card says: nothing of the scores of the set as it was."""
    words = ("--bits", "4", "--output", "out")
    said = ratbench("export", learned, "--format", format, *words).stdout
    own = load_artefact(learned)[0].quantised(4)
    assert f"quantised to 4 bits, in {20 * (32 + 8 + 40)} bytes in place of 5920" in said
    assert ("that a quantised code of 800 bytes decodes to" in said) == (format != "safetensors")
    exact, facts = load_artefact(Path("out/exact.safetensors"))
    back = read(locate(Path("out")), foreign_sets.WANTED).synthetic
    for found in (exact, back):
        assert found.stored_bytes == own.stored_bytes and torch.equal(found.labels, own.labels)
        assert found.parametrisation is not None and own.parametrisation is not None
        assert describe(found.parametrisation) == describe(own.parametrisation)
        assert torch.equal(found.images, own.images)
    assert facts["quantised"] == {"bits": 4, "of": load_artefact(learned)[1]["sha256"]}
    assert facts["sha256"] in Path("out/README.md").read_text()


def test_a_set_alone_is_exported_by_default(artefact: Path) -> None:
    assert ratbench("export", artefact, "--output", "out").exit_code == 0
    assert sorted(each.name for each in Path("out").iterdir()) == [
        "README.md",
        "exact.json",
        "exact.safetensors",
    ]
    assert Path("out/exact.safetensors").read_bytes() == artefact.read_bytes()
    ratbench("export", "out/exact.safetensors", "--format", "pt", "--output", "pt")
    ratbench("export", "pt/exact.safetensors", "--output", "again")  # no longer bound to images_best.pt
    assert "exported" not in json.loads(Path("again/exact.json").read_text())
    assert read(locate(Path("again")), foreign_sets.WANTED).synthetic.hard


@pytest.mark.parametrize(
    ("bits", "message"), [("3", "bits 3: choose 8, 4 or 2"), ("32", "bits 32: choose"), ("-8", "bits -8")]
)
def test_other_bits_are_refused(artefact: Path, bits: str, message: str) -> None:
    refused(ratbench("export", artefact, "--bits", bits, "--output", "out"), message)
    assert not Path("out").exists()


def test_a_quantised_set_is_not_quantised_again(artefact: Path) -> None:
    ratbench("export", artefact, "--bits", "8", "--output", "out")
    again = ratbench("export", "out/exact.safetensors", "--bits", "4", "--output", "new")
    refused(again, "a quantised set stores bytes", "quantise the set that it was made of")
    assert ratbench("export", "out/exact.safetensors", "--format", "pt", "--output", "new").exit_code == 0


def test_pictures_of_a_factorised_set(factorised: Path) -> None:
    export(factorised, "folder")
    assert sorted(path.name for path in Path("out/3").iterdir()) == [f"{n:04}.png" for n in range(4)]
    assert read(locate(Path("out")), foreign_sets.WANTED).synthetic.parametrisation is not None
    plot_artefact(factorised, Path("set.png"))
    with Image.open("set.png") as picture:
        assert 10 * 66 - 2 < picture.height < 11 * 66, "ten rows below a title"


def test_nothing_is_overwritten(artefact: Path, tmp_path: Path) -> None:
    export(artefact, "pt")
    refused(ratbench("export", artefact, "--format", "hf", "--output", "out"), "out exists")
    refused(ratbench("export", "none.safetensors", "--format", "pt", "--output", "new"), "cannot be read")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": None},
        {"class_names": ["a"]},
        {"class_names": [*range(10)]},
        {"class_names": "0123456789"},
    ],
)
def test_a_manifest_without_its_class_names_is_refused(artefact: Path, change: dict[str, object]) -> None:
    path = artefact.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(
        ratbench("export", artefact, "--format", "folder", "--output", "out"), "does not name its 10 classes"
    )
    assert not Path("out").exists()


def test_an_export_that_fails_leaves_nothing(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("suite.external.export.measured", full)
    refused(ratbench("export", artefact, "--format", "hf", "--output", "a/out"), "No space left on device")
    assert not list(Path("a").rglob("*"))


def test_an_empty_folder_is_taken(artefact: Path) -> None:
    Path("out").mkdir()
    export(artefact, "pt")
    assert Path("out/README.md").is_file() and not list(Path().glob(".partial*"))


def test_the_rate_stands_under_both_names(store: Store) -> None:
    """MTT, TESLA and DATM call the file lr_best.pt, DD-Ranking lr.pt."""
    export(kept(store, replace(foreign_sets.digits(), lr=0.0717)), "pt")
    assert [torch.load(f"out/{name}.pt", weights_only=True) for name in ("lr", "lr_best")] == [0.0717] * 2
    for name in ("exact.safetensors", "exact.json", "lr_best.pt"):
        Path("out", name).unlink()
    assert read(locate(Path("out")), foreign_sets.WANTED).synthetic.lr == 0.0717


def test_the_loader_in_the_manifest_runs(factorised: Path, tmp_path: Path) -> None:
    """Beside the artefact in its store, decoded; the cards' are tested in `writers/test_card.py`."""
    loader = json.loads(factorised.with_suffix(".json").read_text())["loader"]
    assert len(loader.splitlines()) <= 16
    (factorised.parent / "README.md").write_text(f"```python\n{loader}```\n")
    (found,) = cards.loaded(factorised.parent, tmp_path / "loaded")
    images, targets = load_artefact(factorised)[0].flat()
    assert torch.equal(found["images"], images) and torch.equal(found["targets"], targets)
