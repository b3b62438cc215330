"""What a site shows beside records."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from suite.cli import publishing
from suite.core.sets.artefacts import load_artefact
from suite.records.record import Record
from tests.support.board_records import trial

RESULTS = Path(__file__).parents[2] / "results"


def artefact(*, factorised: bool) -> Path:
    """Return the file of a set of the committed results."""
    for path in sorted((RESULTS / "artefacts").glob("*.json")):
        if ("parametrisation" in json.loads(path.read_text())) == factorised:
            return path.with_suffix(".safetensors")
    raise AssertionError("no such set in results/")


def record(method: str, source: str = "") -> Record:
    made = trial(method)
    return made.model_copy(update={"cell": made.cell.model_copy(update={"source": source})})


def test_facts_are_those_of_the_method() -> None:
    found = publishing.facts("dm")
    assert found.summary and "dsa-1000" in found.recipe
    assert any("cifar10" in heading for heading in found.settings)
    assert "networks with batch norm" in {each.point for each in found.differences}


def test_only_known_methods_whose_code_ran_are_asked(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    records = [record("dm"), record(str(mine), "1" * 64), record("nowhere.py"), record("mtt", "2" * 64)]
    found = publishing.aids([RESULTS], records)
    assert set(found.facts) == {"dm"} and not (tmp_path / "ran").exists()
    assert {row.printed.entry.method for row in found.atlas} >= {"dm", "mtt"}


def test_a_picture_is_a_png_and_says_what_it_shows(tmp_path: Path) -> None:
    found = publishing.look(artefact(factorised=False), "set")
    (tmp_path / "set.png").write_bytes(found.picture)
    with Image.open(tmp_path / "set.png") as image:
        assert image.format == "PNG" and min(image.size) > 100
    assert found.told.startswith("Shown: all images of each class.") and not found.missing
    assert publishing.look(artefact(factorised=False), "set") == found


@pytest.mark.parametrize("factorised", [False, True])
def test_the_loader_runs_beside_the_file(
    tmp_path: Path, factorised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = artefact(factorised=factorised)
    name = "dm (window=40)-ipc1-seed0"
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"{name}{suffix}").write_bytes(source.with_suffix(suffix).read_bytes())
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(publishing.look(source, name).loader, found)
    images, targets = load_artefact(source)[0].flat()
    assert found["images"].shape == images.shape and found["targets"].shape == targets.shape


def test_a_damaged_file_is_said_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    path.write_bytes(b"x")
    with pytest.warns(UserWarning, match="No such file"):
        found = publishing.look(path, "set")
    assert not found.picture and not found.loader
    assert found.missing == "its file or its manifest cannot be read"


def test_a_manifest_that_does_not_fit_is_said(tmp_path: Path) -> None:
    source = artefact(factorised=False)
    path = tmp_path / "set.safetensors"
    path.write_bytes(source.read_bytes())
    facts = json.loads(source.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**facts, "class_names": ["only one"]}))
    with pytest.warns(UserWarning, match="1 class names for 10 classes"):
        found = publishing.look(path, "set")
    assert found.loader and not found.picture and "cannot be drawn" in found.missing
