"""Figures that cannot be are refused when a record is made, read, or shown on a board."""

import json
from pathlib import Path
from typing import Any

import pytest

from suite.board import files
from suite.core.scores import Score
from suite.records.audit.ranges import impossible
from suite.records.record import Record
from tests.support.board_records import SMALL, evaluated, save, trial

DECLARED = (
    Score("accuracy", "accuracy"),
    Score("drop", "drop", unit="points"),
    Score("ece", "ECE", unit="fraction"),
    Score("rate/*", "{}", unit="number"),
)
FIGURES: list[dict[str, Any]] = [
    {"scores": {"accuracy": [1.7]}},
    {"scores": {"accuracy": [0.5, -3.0]}},
    {"scores": {"accuracy/mlp": [1.01]}},
    {"scores": {"accuracy": [7.0]}, "described": [vars(Score("accuracy", "a", unit="number"))]},
    {"scores": {"seconds": [-0.1]}},
    {"seconds": -1.0},
    {"seconds": 1e300},
    {"device_seconds": -1e-9},
    {"peak_memory_bytes": -1},
    {"peak_memory_bytes": 10**400},
    {"stored_bytes": -1},
    {"decoded": 10**40},
    {"test_reads": -1},
    {"attempts": -1},
    {"ipc": -10},
    {"curve": {"seconds": [-1.0]}},
    {"scores": {"accuracy": [float("nan")]}},
    {"scores": {"other": [float("inf")]}},
]


@pytest.mark.parametrize("changes", FIGURES, ids=str)
def test_a_record_refuses_them_in_one_sentence(changes: dict[str, Any]) -> None:
    content = {**evaluated(trial("dm"), 0.5).model_dump(), **changes}
    with pytest.raises(ValueError, match=r"must be|is impossible|finite"):
        Record.model_validate(content)


def test_what_can_be_is_not_refused() -> None:
    scores = {
        "accuracy": (0.0, 1.0),
        "drop": (-0.3, 1.0),
        "ece": (1.0,),
        "rate/mlp": (30.0,),
        "mine": (-5.0,),
    }
    assert impossible({"seconds": 0.0}, scores, DECLARED) == ""
    mean = sum([1.0 / 3] * 3)
    assert impossible({}, {"accuracy": (mean + 1e-12,)}, ()) == ""


@pytest.mark.parametrize(("name", "value"), [("drop", -1.2), ("ece", 1.2), ("rate/mlp", 1e300)])
def test_a_score_keeps_to_its_unit(name: str, value: float) -> None:
    assert impossible({}, {name: (value,)}, DECLARED).startswith(f"score {name!r} ")


def test_a_board_leaves_such_a_file_out_with_a_word(tmp_path: Path) -> None:
    save(SMALL, tmp_path)
    path = next(each for each in sorted(tmp_path.rglob("*.json")) if "rat_bptt" in str(each))
    text = Record.model_validate_json(path.read_bytes()).model_copy(update={"seconds": -3.0}).to_json()
    path.write_text(text)
    found = files.read([tmp_path])
    assert found.warnings == (f"{path}: skipped, seconds -3.0 is impossible: it must be from 0 to 2^53",)
    assert json.loads(text)["sha256"]  # it is sealed all the same
