"""Manifests: the facts about a set, and code that loads it without this package."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.data import tasks
from suite.core.sets.artefacts import write_artefact
from suite.core.sets.manifest import facts, loader, manifest, stored
from suite.core.sets.parametrisations import Linear
from suite.core.sets.synthetic_set import SyntheticSet, Teacher, one_hot
from tests.support import foreign_sets

RNG = torch.Generator().manual_seed(0)
CODE = Linear(torch.randn(3, 1, 4, 4, generator=RNG), torch.randn(10, 2, 3, generator=RNG), 8, 8)


def test_a_trials_manifest_has_its_cell_and_its_tasks_facts() -> None:
    task = tasks.load("digits")
    found = manifest({"seed": 3}, task, "mine", "abc.safetensors")
    assert found == {"trial": {"seed": 3}, "label": "mine", **facts(task, "abc.safetensors")}
    assert found["class_names"] == list("0123456789") and found["data"] == tasks.fingerprint(task)
    assert found["loader"] == loader("abc.safetensors")


@pytest.mark.parametrize(
    "made",
    [
        foreign_sets.digits(),
        SyntheticSet.from_parametrisation(CODE),
        foreign_sets.digits().quantised(2),
        SyntheticSet.from_parametrisation(CODE).quantised(4),
    ],
    ids=["plain", "factorised", "quantised", "quantised factorised"],
)
def test_the_loader_gives_the_sets_tensors(
    made: SyntheticSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = made.parametrisation
    write_artefact(tmp_path / "abc.safetensors", made, facts(tasks.load("digits"), "abc.safetensors", code))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(loader("abc.safetensors", code), names)
    images, labels = made.flat()
    assert torch.allclose(names["images"], images, atol=1e-6) and torch.equal(names["targets"], labels)
    assert sorted(len(batch[0]) for batch in names["loader"]) == [20]


def test_what_a_record_says_of_a_set() -> None:
    """Two floats a class of 4x4 images: 2 x 2 x 16 x 4 bytes, and as many labels of two floats if soft."""
    images = torch.zeros(2, 2, 1, 4, 4)
    hard, soft = SyntheticSet(images, one_hot(2, 2)), SyntheticSet(images, torch.full((2, 2, 2), 0.5))
    plain = {"stored_bytes": 256, "teacher_bytes": 0, "decoded": 0, "classes": 2, "label_kind": "hard"}
    assert stored(hard) == plain
    assert stored(soft) == {**plain, "stored_bytes": 256 + 32, "label_kind": "soft"}
    factorised = stored(SyntheticSet.from_parametrisation(CODE))
    assert factorised == {**plain, "stored_bytes": 432, "decoded": 2, "classes": 10}
    taught = replace(hard, teachers=(Teacher("a", torch.zeros(5)), Teacher("b", torch.zeros(7))))
    assert stored(taught) == {**plain, "teacher_bytes": 4 * 12}
