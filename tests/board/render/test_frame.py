"""A board as lines: the numbers of the records, rounded."""

import csv
import io

import pandas as pd
import pytest

from suite.board.render.frame import as_csv, frame, lines
from suite.board.tables import board
from suite.core.scores import Score
from suite.records.cells import Evaluation
from suite.records.record import Record
from tests.support.board_records import CPU, SMALL, STANDARD, evaluated, full_data, pair, relabelled, trial


def test_a_line_has_a_rows_numbers() -> None:
    first, second, ceiling = lines(board(SMALL))
    assert [line["label"] for line in (first, second, ceiling)] == ["rat_bptt", "random_subset", "full data"]
    assert (first["rank"], second["rank"], ceiling["rank"]) == (1, 2, None)
    assert first["accuracy"] == 0.82 and (first["accuracy_low"], first["accuracy_high"]) == (0.8, 0.84)
    assert first["share"] == round(0.82 / 0.96, 6) and (first["seeds"], first["copies"]) == (2, "1 1")
    assert second["copies"] == "2 2" and second["device_seconds"] == 120.0
    assert (first["evaluator"], first["task"], first["ipc"]) == ("retrain", "digits", 10)


def test_what_is_missing_is_none() -> None:
    failed, *_ = lines(board([trial("kip", status="oom", error="no memory"), full_data(0.9)]))
    assert (
        failed["accuracy"] is None
        and failed["state"] == "oom"
        and failed["errors"] == "seed 0, oom: no memory"
    )
    assert failed["seeds"] == 0 and failed["behind"] is None


def test_scores_of_other_evaluators_have_their_own_columns() -> None:
    of = trial("kip")
    settings = {"recipe": "dsa-1000", "network": STANDARD, "copies": 2}
    cell = Evaluation(trial=of.cell.id, evaluator="sharpness", settings=settings, seed=0)
    described = (Score("width", "width", unit="number"), Score("hidden", "hidden", shown=False))
    scored = Record(
        cell=cell,
        label="kip",
        task="digits",
        ipc=10,
        status="done",
        scores={"width": (3.0, 5.0), "hidden": (1.0, 1.0)},
        described=described,
        provenance=CPU,
    )
    table = frame(board([of, evaluated(of, 0.5), scored]))
    assert len(table) == 2 and list(table["evaluator"]) == ["retrain", "sharpness"]
    assert table["sharpness/width"][1] == 4.0 and "sharpness/hidden" not in table
    assert str(table["rank"].dtype) == "Int64" and table["copies"][1] == "2"


def test_an_empty_board_is_an_empty_frame() -> None:
    assert frame(board([])).empty and lines(board([])) == []


def test_every_line_of_a_table_is_there_once() -> None:
    found = lines(board([*SMALL, *pair("kip", (0.4,), window=60), *pair("kip", (0.3,), window=80)]))
    assert len({line["name"] for line in found}) == len(found) == 5


def test_rows_that_are_compared_with_relabelled_subsets_have_their_columns() -> None:
    of = trial("frepo", label_kind="soft")
    records = [of, evaluated(of, 0.7), *pair("random_subset", (0.3,)), *relabelled((0.45,))]
    soft, chance = (
        next(each for each in lines(board(records)) if each["name"] == name)
        for name in ("frepo", "random_subset")
    )
    assert (soft["ior"], soft["ior_relabelled"], soft["relabelled_native"]) == (0.4, 0.25, 0.45)
    assert soft["lrs_relabelled"] is None and not any("relabelled" in column for column in chance)


@pytest.mark.parametrize("dtype", [None, object])
def test_no_text_of_a_csv_is_a_formula(dtype: type | None) -> None:
    texts = ["=1+1", "+a", "-a", "@a", "\t=a", "\n=a", "a\n=1", "'=", "", "−1"]
    rows = [{"text": text.replace("\n", "\r"), "=name": -0.1, "count": -2, "none": None} for text in texts]
    found = list(csv.DictReader(io.StringIO(as_csv(pd.DataFrame(rows, dtype=dtype)), newline="")))
    assert [line["text"] for line in found] == [f"'{text}" for text in texts[:6]] + texts[6:]
    assert {(line["'=name"], line["count"], line["none"]) for line in found} == {("-0.1", "-2", "")}
