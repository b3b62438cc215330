"""The ranked table: what fits a page, and the notes on its numbers."""

from pathlib import Path

import pytest

from suite.board.render.table.ranking import ranking
from suite.board.tables import Table, board
from suite.records.record import Record
from tests.support.board_records import CPU, SMALL, full_data, pair, trial


def ranked(*records: Record, papers: dict[str, str] | None = None, folder: Path | None = None) -> list[str]:
    table: Table = board(records).tables[0]
    return ranking(table, papers or {}, folder)


def test_what_all_rows_have_in_common_is_said_once() -> None:
    compared, text, notes = ranked(*pair("kip", (0.6, 0.7), (0.7, 0.8)), *pair("dm", (0.5, 0.6), (0.5, 0.6)))
    assert compared == (
        "Ranked by accuracy under the recipe `dsa-1000`, means over 2 × 2 (sets × networks) with 95% "
        "intervals, device time on a CPU. Incomplete rows are not ranked."
    )
    assert text.splitlines()[0] == "| rank | method | accuracy % | behind | device time | stored |"
    assert notes == ""


def test_what_differs_has_a_column_or_a_mark() -> None:
    gpu = CPU.model_copy(update={"device": "NVIDIA H200"})
    compared, text, notes = ranked(*SMALL, *pair("kip", (0.6,), (0.7,), provenance=gpu))
    assert "means with 95% intervals, device time on a CPU." in compared
    lines = text.splitlines()
    assert " n |" in lines[0] and " 2 × 2 |" in lines[4]
    assert " 2.0 min ¹ |" in lines[3] and "¹" not in lines[2] + lines[4]
    assert notes == "- ¹ on NVIDIA H200: compare times only within one device"


def test_teachers_are_told_beside_the_bytes_of_the_set() -> None:
    _, text, notes = ranked(*SMALL, *pair("sre2l", (0.6,), (0.7,), teacher_bytes=31_000, recipe="sre2l-300"))
    assert "| 25.6 kB + 31.0 kB ¹ |" in text
    assert "¹ plus 31.0 kB of teachers, which label every augmented batch" in notes


def test_a_method_is_linked_to_its_paper() -> None:
    text = ranked(*SMALL, papers={"rat_bptt": "https://arxiv.org/abs/2311.07025", "random_subset": ""})[1]
    assert "| [`rat_bptt`](https://arxiv.org/abs/2311.07025) |" in text and "| `random_subset` |" in text


@pytest.mark.parametrize("there", [True, False])
def test_pictures_are_linked_or_said_to_be_missing(there: bool, tmp_path: Path) -> None:
    found = tmp_path / "pictures/digits/kip-ipc10-seed0.png"
    found.parent.mkdir(parents=True)
    if there:
        found.touch()
    _, text, notes = ranked(*pair("kip", (0.6, 0.7)), folder=tmp_path)
    assert ("[0](pictures/digits/kip-ipc10-seed0.png)" in text) is there
    assert ("pictures are missing (`kip`): their sets are not in the stores" in notes) is not there


def test_rows_that_are_incomplete_come_last_and_their_errors_elsewhere() -> None:
    _, text, notes = ranked(*SMALL, trial("kip", status="oom", error="no memory"), full_data(0.9, 0.9))
    assert text.splitlines()[-2].startswith("| – | `kip` | oom | – |") and "no memory" not in text + notes


def test_a_board_of_failures_has_a_table_too() -> None:
    _, text, _ = ranked(trial("kip", status="oom", error="no memory"))
    assert text.splitlines()[-1] == "| `kip` | oom |"
