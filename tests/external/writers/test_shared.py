"""An export tells nobody where the data and the files of this machine are."""

import json
import os
from pathlib import Path

import pytest

from suite.core.sets.artefacts import write_artefact
from suite.core.sets.manifest import manifest
from suite.external.export import export
from suite.external.locate import locate
from suite.external.sandbox.parent import read
from suite.external.writers.shared import shared_task, shared_trial
from tests.support import foreign_sets


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist:holdout", "fashion-mnist:holdout"),
        ("folder:/home/ada/pets", "folder:pets"),
        ("folder:/home/ada/pets/?size=32&mirror=no", "folder:pets?size=32&mirror=no"),
        ("folder:../ada/my pets:holdout", "folder:my pets:holdout"),
        ("folder:~/pets", "folder:pets"),
        ("hf:/home/ada/pets?config=big", "hf:pets?config=big"),
        ("hf:./pets", "hf:pets"),
        ("hf:~/pets", "hf:pets"),
        ("hf:ada/pets?test=validation", "hf:ada/pets?test=validation"),
    ],
)
def test_of_a_path_the_name_is_told(task: str, told: str) -> None:
    assert shared_task(task) == told


def test_of_a_file_with_a_method_the_name_is_told() -> None:
    trial = {"task": "digits", "method": "/home/ada/mine.py", "ipc": 1}
    assert shared_trial({"trial": trial}) == {**trial, "method": "mine.py"}
    assert shared_trial({"trial": "none"}) == shared_trial({}) == {}


@pytest.mark.parametrize("format", ["hf", "folder", "pt"])
@pytest.mark.parametrize("form", ["folder", "hf"])
def test_no_file_of_an_export_has_a_path(
    form: str, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    for split in ("train", "test"):
        (secret / "pets" / split).mkdir(parents=True)
        foreign_sets.pictures(secret / "pets" / split)
    monkeypatch.setenv("RATBENCH_DATA", str(secret / "data"))
    own = {"task": f"{form}:{secret / 'pets'}", "method": str(secret / "mine.py")}
    trial = {**own, "hyperparameters": {}, "ipc": 2, "seed": 0}
    path, task = secret / "set.safetensors", foreign_sets.task()
    write_artefact(path, foreign_sets.digits(), manifest(trial, task, "mine", path.name))
    export(path, format, tmp_path / "out")  # type: ignore[arg-type]
    for file in (each for each in (tmp_path / "out").rglob("*") if each.is_file()):
        assert os.fsencode(secret) not in file.read_bytes(), file
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"`{form}:pets`" in text and "`mine.py`" in text
    assert json.loads((tmp_path / "out" / "exact.json").read_text())["trial"]["task"] == f"{form}:pets"
    assert read(locate(tmp_path / "out"), foreign_sets.WANTED).manifest["ipc"] == 2, "ours still read it"
