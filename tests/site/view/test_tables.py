"""Tables of a site beside those of the Markdown."""

import re
from pathlib import Path

import pytest

from suite.board import files
from suite.board.tables import Board, board
from suite.site.view.columns import Cell
from suite.site.view.tables import Row, View, views
from tests.support.board_records import CPU, SMALL, evaluated, full_data, pair, trial

RESULTS = Path(__file__).parents[3] / "results"
STORES = [
    RESULTS,
    *sorted(path for folder in ("gpu", "studies") for path in (RESULTS / folder).iterdir()),
]


def cell(view: View, row: Row, key: str) -> Cell:
    (at,) = [at for at, column in enumerate(view.columns) if column.key == key]
    return row.cells[at]


def texts(view: View, key: str) -> list[str]:
    return [cell(view, row, key).text for row in view.rows]


def named(view: View, name: str) -> Row:
    (row,) = [row for row in (*view.rows, *view.footer) if cell(view, row, "method").text == name]
    return row


def only(made: Board) -> View:
    (view,) = views(made)
    return view


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("store", STORES, ids=lambda path: path.name)
def test_every_number_is_that_of_the_markdown(store: Path) -> None:
    """Ranks, accuracies, gaps and their intervals, row by row in the order of the Markdown."""
    made = files.load([store])
    shown = [view for view in views(made) if view.facts["evaluator"] == "retrain"]
    rows = [
        [
            cell(view, row, "rank").text.removeprefix("=") or "–",
            cell(view, row, "method").text,
            cell(view, row, "accuracy").text or "–",
            cell(view, row, "behind").text or "–",
        ]
        for view in shown
        for row in (*view.rows, *view.footer)
    ]
    assert rows == markdown_rows(files.render(made, "md")) and len(rows) == sum(
        len(table.everyone) for table in made.tables
    )


def markdown_rows(text: str) -> list[list[str]]:
    """Return rank, method, accuracy and gap of each row of the Markdown's ranked tables."""
    found, at = [], None
    for line in text.splitlines():
        cells = [each.strip() for each in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if {"method", "accuracy %"} <= {*cells}:
            at = [cells.index(name) if name in cells else None for name in HEADINGS]
        elif not cells:
            at = None
        elif at is not None and "--" not in cells[0]:
            shown = [cells[place] if place is not None else "–" for place in at]
            shown[1] = re.sub(r"^\[?`([^`]*)`.*", r"\1", re.sub(r"[ ⁰¹²³⁴⁵⁶⁷⁸⁹]+$", "", shown[1]))
            found.append([each.replace("\\", "") for each in shown])
    return found


HEADINGS = ("rank", "method", "accuracy %", "behind")


def test_shared_ranks_have_a_sign_and_their_number() -> None:
    view = only(board([*pair("a", (0.8, 0.7), (0.7, 0.8)), *pair("b", (0.7, 0.8), (0.8, 0.71))]))
    assert [cell(view, row, "rank") for row in view.rows] == [Cell("=1", (1,)), Cell("=1", (1,))]


def test_an_incomplete_row_tells_what_it_lacks() -> None:
    failed = trial("kip", status="failed", error="CUDA  out of\nmemory")
    view = only(board([*SMALL, failed]))
    row = named(view, "kip")
    assert [cell(view, row, key).text for key in ("rank", "accuracy", "state")] == ["", "failed", "failed"]
    assert cell(view, row, "notes").text == "seed 0, failed: CUDA out of memory"
    assert cell(view, row, "state").values == ("failed",)


def test_a_method_has_the_name_of_its_paper() -> None:
    made = pair("mine", (0.5,), method_title="RaT-BPTT: a window", paper="arXiv 2311.07025")
    plain = pair("plain", (0.4,), paper="javascript:alert(1)", method_title="Plain")
    view = only(board([*made, *plain]))
    first, second = (named(view, name).method for name in ("mine", "plain"))
    assert first and second
    assert (first.name, first.about, first.page) == ("RaT-BPTT", "a window", "methods/mine.html")
    assert first.paper == "https://arxiv.org/abs/2311.07025" and second.paper == ""


def test_costs_and_their_device() -> None:
    of = trial("dm", provenance=CPU.model_copy(update={"device": "NVIDIA H200"}))
    view = only(board([of, evaluated(of, 0.5)]))
    (row,) = view.rows
    shown = {
        key: cell(view, row, key).text for key in ("time", "memory", "stored", "bits", "device", "labels")
    }
    assert shown == {
        "time": "2.0 min",
        "memory": "1.5 GB",
        "stored": "25.6 kB",
        "bits": "20.5 kbit",
        "device": "NVIDIA H200",
        "labels": "hard",
    }
    assert cell(view, row, "time").values == (120.0,) and cell(view, row, "bits").values == (20_480.0,)
    assert {column.key for column in view.columns if column.per_device} == {"time", "memory"}


def test_full_data_stands_below_the_rows() -> None:
    view = only(board([*SMALL, full_data(0.9, 0.91, epochs=90)]))
    assert [cell(view, row, "method").text for row in view.footer] == ["full data (90 epochs)"]
    assert view.footer[0].method is None and cell(view, view.footer[0], "standing").text == "run here"


def test_prefixes_name_their_whole_set() -> None:
    of = trial("dm", ipc=10)
    part, whole = views(board([of, evaluated(of, 0.6), evaluated(of, 0.5, ipc=1)]))
    assert texts(part, "method") == ["dm (first 1 of 10)"] and texts(whole, "method") == ["dm"]
    assert "time and memory of the whole set, 10 images per class" in texts(part, "notes")[0]
    assert (part.facts["ipc"], whole.facts["ipc"]) == (1, 10) and part.slug != whole.slug


def test_sets_are_linked_by_their_seeds() -> None:
    view = only(board(SMALL))
    row = named(view, "rat_bptt")
    assert row.sets == {
        0: "artefacts/digits/rat_bptt-ipc10-seed0.html",
        1: "artefacts/digits/rat_bptt-ipc10-seed1.html",
    }
    assert cell(view, row, "sets").text == "0 1"


def test_other_evaluators_have_tables_of_their_own() -> None:
    found = {view.evaluator: view for view in views(files.load([RESULTS]))}
    assert next(iter(found)) == "Accuracy" and len(found) > 2
    view = list(found.values())[1]
    assert view.columns[0].key == "method" and view.rows and not view.footer
    scores = [column for column in view.columns if "/" in column.key]
    assert scores and all(column.fields[0] == column.key for column in scores)
    assert any(isinstance(cell(view, row, scores[0].key).values[0], float) for row in view.rows)


def test_columns_that_are_empty_are_not_shown() -> None:
    keys = [only(board(SMALL)).columns[at].key for at in only(board(SMALL)).shown]
    assert keys[:4] == ["rank", "method", "accuracy", "behind"] and "state" not in keys
    bare = [each.model_copy(update={"label_kind": ""}) for each in SMALL]
    view = only(board(bare))
    assert "labels" not in [view.columns[at].key for at in view.shown]


def test_a_slug_is_that_of_no_other_table() -> None:
    found = views(files.load([RESULTS]))
    assert len({view.slug for view in found}) == len(found)


def test_of_several_titles_of_a_label_the_pages_show_the_same_as_the_markdown() -> None:
    trials = [trial("dm", seed=seed, method_title=title) for seed, title in enumerate(("A: old", "B: new"))]
    made = board([*trials, *(evaluated(each, 0.5) for each in trials)])
    method = only(made).rows[0].method
    assert (
        method and method.name == "B" and {each.label: each.title for each in made.methods}["dm"] == "B: new"
    )
