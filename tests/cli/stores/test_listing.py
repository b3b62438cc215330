"""The sets of stores, listed."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from suite.cli.stores.listing import listed, table, text
from suite.records.cells import Evaluation, Trial
from tests.support.stores import change, record_of


def test_each_set_with_its_address_and_accuracy(copied: Path) -> None:
    first, second = (each.fields for each in listed([copied]))
    assert first["address"] == f"{copied}:digits/random_subset/ipc1/seed0"
    record = record_of(copied, "rat_bptt", Evaluation)
    assert second["accuracy"] == json.loads(record.read_text())["scores"]["accuracy"][0]
    trial = json.loads(record_of(copied, "rat_bptt", Trial).read_text())
    told = second["sha256"], second["stored_bytes"], second["recipe"]
    assert told == (trial["artefact"], 2560, "ncfm-40")
    assert (second["task"], second["method"], second["ipc"], second["seed"]) == ("digits", "rat_bptt", 1, 0)
    assert Path(second["path"]).is_file()


def test_teachers_are_told_beside_the_bytes_of_a_set(copied: Path) -> None:
    change(record_of(copied, "rat_bptt", Trial), teacher_bytes=5600)
    made = listed([copied])
    assert [each.fields["teacher_bytes"] for each in made] == [0, 5600]
    console = Console(width=200, record=True)
    console.print(table(made))
    assert "2.6 kB + 5.6 kB" in console.export_text()


def test_the_standard_recipe_counts_first(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Evaluation)
    record = json.loads(path.read_text())
    settings = {**record["cell"]["settings"], "recipe": "dsa-1000"}
    cell = Evaluation.model_validate({**record["cell"], "settings": settings})
    other = path.with_name(f"{cell.id}.json")
    shutil.copy(path, other)
    change(other, cell=cell, scores={"accuracy": (0.25,)})
    assert listed([copied])[1].accuracy == 0.25 and listed([copied])[1].recipe == "dsa-1000"


def test_snapshots_have_no_accuracy_of_the_finished_set(copied: Path) -> None:
    trial = record_of(copied, "rat_bptt", Trial).stem
    for ending in ("safetensors", "json"):
        shutil.copy(copied / f"artefacts/{trial}.{ending}", copied / f"artefacts/{trial}@2.{ending}")
    snapshot = listed([copied])[2]
    assert snapshot.fields["address"].endswith("rat_bptt/ipc1/seed0@2") and snapshot.accuracy is None


def test_a_set_without_its_file_is_left_out(copied: Path) -> None:
    for path in copied.glob("artefacts/*"):
        path.unlink()
    assert listed([copied]) == [] and text([], "csv") == "" and text([], "json") == "[]\n"


def test_several_stores_each_once(copied: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    assert [each.store for each in listed([copied, other, copied])] == [copied, copied, other, other]


def test_every_format_has_the_same(copied: Path) -> None:
    found = listed([copied])
    rows = list(csv.DictReader(io.StringIO(text(found, "csv"))))
    assert [row["address"] for row in rows] == [each["address"] for each in json.loads(text(found, "json"))]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_a_terminal(copied: Path, width: int) -> None:
    output = io.StringIO()
    Console(file=output, width=width).print(table(listed([copied])))
    shown = output.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "2.6 kB" in shown and "(ncfm-40)" in shown
