"""The card of an exported set: what it says is true, its code runs, and data in it stay data."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import metadata_load

import suite
from suite.core.data.reading.hf_card import card_features, read_card
from suite.core.sets.synthetic_set import SyntheticSet, Teacher
from suite.external.export import export
from suite.external.writers.card import Exported, card, code, licence, plain
from suite.external.writers.hub import Repository
from suite.external.writers.measured import Measured, Score
from suite.external.writers.pictures import Difference
from tests.support import cards, foreign_sets, hub_server

TRIAL = {"task": "fashion-mnist", "method": "dm", "hyperparameters": {"lr": 1.0}, "ipc": 2, "seed": 0}
MANIFEST = {"trial": TRIAL, "label": "dm", "class_names": list("9876543210"), "sha256": "0a1b"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A set with all that a format may lose: learned labels and a learned rate."""
    own = foreign_sets.digits()
    found = SyntheticSet(own.images, own.labels * 0.9 + 0.01, lr=0.0717)
    suite.save_set(found, tmp_path / "set.safetensors", foreign_sets.task())
    return tmp_path / "set.safetensors"


def exported(**change: Any) -> Exported:
    return replace(Exported(foreign_sets.digits(), MANIFEST, "hf"), **change)


def test_teachers_are_told_with_their_bytes() -> None:
    taught = replace(foreign_sets.digits(), teachers=(Teacher("mlp-w8", torch.ones(5)),))
    text = card(exported(synthetic=taught))
    assert "20 bytes of `mlp-w8`, for recipes that label every augmented batch" in text
    assert "augmented batch" not in card(exported())


def check_exact(found: dict[str, Any]) -> None:
    images, labels = foreign_sets.digits().flat()
    assert torch.equal(found["images"], images) and torch.equal(found["targets"], labels * 0.9 + 0.01)


def check_pictures(found: dict[str, Any]) -> None:
    assert torch.equal((found["images"] * 255).round().to(torch.uint8), foreign_sets.pixels())
    assert torch.equal(found["classes"], foreign_sets.flat()[1])


def test_the_code_for_pictures_in_folders_runs(saved: Path, tmp_path: Path) -> None:
    export(saved, "folder", tmp_path / "out")
    pictures, exact = cards.loaded(tmp_path / "out", tmp_path / "loaded")
    check_pictures(pictures)
    check_exact(exact)


def test_the_code_for_tensors_runs(saved: Path, tmp_path: Path) -> None:
    export(saved, "pt", tmp_path / "out")
    tensors, exact = cards.loaded(tmp_path / "out", tmp_path / "loaded")
    images, labels = foreign_sets.digits().flat()
    assert torch.equal(tensors["images"], images) and torch.equal(tensors["labels"], labels * 0.9 + 0.01)
    assert tensors["lr"] == 0.0717
    check_exact(exact)


def test_the_code_for_a_dataset_on_the_hub_runs(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same after its first lines, which fetch the files, as for a dataset in a folder."""
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with hub_server.running() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        export(saved, "hf", tmp_path / "out", push=Repository("me/my-set"))
        given = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1"}
        pictures, exact = cards.loaded(tmp_path / "out", tmp_path / "loaded", elsewhere=True, **given)
    check_pictures(pictures)
    assert torch.equal(pictures["targets"], foreign_sets.digits().flat()[1] * 0.9 + 0.01)
    check_exact(exact)
    export(saved, "hf", tmp_path / "here")
    local, pushed = ((tmp_path / name / "README.md").read_text() for name in ("here", "out"))
    assert re.sub(r"from os import chdir\n.*\n\nchdir\(.*\)\n", "", pushed) == local


def test_the_header_is_what_the_hub_and_our_reader_expect(tmp_path: Path) -> None:
    text = card(exported(manifest={**MANIFEST, "class_names": ["yes", "1", "a: b", *"3456789"]}))
    (tmp_path / "README.md").write_text(text)
    data = metadata_load(tmp_path / "README.md")
    assert data is not None
    assert data["license"] == "mit" and data["task_categories"] == ["image-classification"]
    assert data["size_categories"] == ["n<1K"] and "dataset-distillation" in data["tags"]
    found = card_features(read_card(tmp_path), "default")
    assert found["label"]["names"] == ["yes", "1", "a: b", *"3456789"] and found["image"]["_type"] == "Image"


def test_it_says_where_a_set_comes_from_and_what_it_is_worth() -> None:
    scores = (
        Score("retrain", "dsa-1000", "convnet", (0.5, 0.6)),
        Score("retrain", "dc-300", "convnet", (0.25,)),
    )
    known = Measured("DM: distribution matching", "arXiv 2110.04181", scores, {"device_seconds": 12.5})
    text = card(exported(measured=known, difference=Difference(1.25, 0.125, 2.5), remarks=["a remark"]))
    assert "# `dm` on `fashion-mnist`: 2 images per class" in text
    assert "DM: distribution matching, [arXiv 2110.04181](https://arxiv.org/abs/2110.04181)" in text
    assert "| `retrain` | `dsa-1000` | `convnet` | 55.00 | 5.00 | 2 |" in text
    assert "| `retrain` | `dc-300` | `convnet` | 25.00 | – | 1 |" in text
    assert (
        "differ from the exact tensors by at most 1.25, on average by 0.12" in text and "- a remark" in text
    )
    assert "Their licence: MIT" in text and "`0a1b`" in text and '"device_seconds": 12.5' in text
    assert "No record of an evaluation" in card(exported())


def test_a_set_that_was_saved_by_hand_has_a_card_too(saved: Path, tmp_path: Path) -> None:
    export(saved, "hf", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text()
    assert "license: unknown" in text and "`a distilled set`" in text and "| learned rate | 0.0717 |" in text


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("digits", "cc-by-4.0"),
        ("mnist", "cc-by-sa-3.0"),
        ("cifar10-zca", "unknown"),
        ("svhn", "other"),
        ("tiny-imagenet", "other"),
        ("folder:/no/such/folder", "unknown"),
        ("no-such-task", "unknown"),
    ],
)
def test_the_licence_is_the_datas(task: str, found: str) -> None:
    assert licence(exported(manifest={"trial": {"task": task}}))[1] == found


EVIL = "<script>alert(1)</script> [x](javascript:y) | `z` \n# heading\n```\n---\n![p](http://h/i.png)"


def test_what_comes_from_elsewhere_stays_data(tmp_path: Path) -> None:
    """Nothing of it is a tag, a link, a heading, a row of a table or the end of a block."""
    manifest = {
        "trial": {**TRIAL, "method": EVIL, "hyperparameters": {EVIL: EVIL}, "task": EVIL},
        "label": EVIL,
        "class_names": [EVIL, *"123456789"],
        "sha256": EVIL,
    }
    known = Measured(EVIL, EVIL, (Score(EVIL, EVIL, EVIL, (0.5,)),), {EVIL: EVIL})
    text = card(exported(manifest=manifest, measured=known, remarks=[EVIL]))
    (tmp_path / "README.md").write_text(text)
    assert card_features(read_card(tmp_path), "default")["label"]["names"][0] == EVIL
    body = text.split("\n---\n", 1)[1]
    *_, facts = re.findall(r"^```json\n(.*?)^```$", body, re.S | re.M)
    assert json.loads(facts)["trial"]["method"] == EVIL
    shown = re.sub(r"^```.*?^```$", "", body, flags=re.S | re.M)
    assert [line for line in shown.splitlines() if line.startswith("#")][1:] == [
        "## Scores",
        "## Load it",
        "### The pictures",
        "### The exact set",
        "## Source and licence",
        "## Provenance",
    ]
    assert not re.search(r"(?<!\\)[<\[](?![^`|]*`)", re.sub(r"`[^`\n]*`", "", shown).replace("(?<", ""))


def test_words_and_code_are_one_line() -> None:
    assert code("a`b|c\nd\u200b") == "`a'b¦c d`" and code("") == "–"
    assert plain("a *b* <i> \n [c](d)") == r"a \*b\* \<i\> \[c\](d)"
