"""The train images nearest to a set: the table, the picture, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from suite.core.data.tasks import load
from suite.core.sets.artefacts import load_artefact
from suite.figures import nearest
from suite.figures.nearest import plot_nearest


def artefact_of(method: str, store: Path) -> Path:
    for path in (store / "artefacts").glob("*.safetensors"):
        if json.loads(path.with_suffix(".json").read_text())["label"] == method:
            return path
    raise AssertionError(method)


def test_a_random_subset_is_its_own_nearest_images(
    finished: tuple[Path, Path, Result], tmp_path: Path
) -> None:
    artefact = artefact_of("random_subset", finished[1])
    table = plot_nearest(artefact, tmp_path / "near.png")
    digits, (synthetic, _) = load("digits"), load_artefact(artefact)
    assert torch.equal(digits.train.images[table["train image"].tolist()], synthetic.images[:, 0])
    assert table["class"].tolist() == list(digits.class_names) == table["its class"].tolist()
    assert set(table["copy"]) == {"yes"} and not table["distance"].any() and table["its nearest other"].all()


def test_an_image_that_was_learned_is_no_copy_and_stands_above_its_neighbour(
    finished: tuple[Path, Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[torch.Tensor, list[str]]] = []
    monkeypatch.setattr(nearest, "plot_set", lambda images, names, *_, **__: drawn.append((images, names)))
    artefact = artefact_of("rat_bptt", finished[1])
    table = plot_nearest(artefact, tmp_path / "near.png", columns=1)
    digits, (synthetic, _) = load("digits"), load_artefact(artefact)
    invert = digits.preprocessing.invert
    own, real = invert(synthetic.images[:, 0]), invert(digits.train.images)
    plain = torch.stack([(each - real).square().mean((1, 2, 3)).sqrt() for each in own])
    assert table["train image"].tolist() == plain.argmin(1).tolist()
    assert table["distance"].tolist() == pytest.approx(plain.amin(1).tolist(), abs=1e-6)
    assert (table["copy"] == "no").any()
    ((images, names),) = drawn
    assert names[:3] == ["0", "nearest of train", "1"] and len(names) == 20
    assert torch.equal(images[0::2, 0], own) and torch.equal(images[1::2, 0], real[plain.argmin(1)])


def test_a_set_of_other_data_or_of_no_task_is_refused(
    finished: tuple[Path, Path, Result], tmp_path: Path
) -> None:
    artefact = artefact_of("random_subset", finished[1])
    own = tmp_path / artefact.name
    shutil.copy(artefact, own)
    manifest = json.loads(artefact.with_suffix(".json").read_text())
    for changed, message in (
        (manifest | {"data": "0" * 64}, "was distilled from other images"),
        ({key: value for key, value in manifest.items() if key != "trial"}, "leave --nearest out"),
        (manifest | {"trial": []}, "leave --nearest out"),
    ):
        own.with_suffix(".json").write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=message):
            plot_nearest(own, tmp_path / "near.png")
    assert not (tmp_path / "near.png").exists()
