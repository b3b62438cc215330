"""What is folded below a ranked table."""

from pathlib import Path

from suite.board.render.table.details import details
from suite.board.reported import Reported
from suite.board.tables import board
from suite.records.record import Record
from tests.support.board_records import SMALL, STANDARD, evaluated, pair, trial


def folded(*records: Record, folder: Path | None = None) -> str:
    return "\n\n".join(details(board(records).tables[0], folder))


def test_each_row_has_its_facts() -> None:
    text = folded(*SMALL)
    facts = "85.4% of full-data accuracy; hard labels; 20.5 kbit per class; peak memory 1.5 GB; `window 40`"
    assert f"- `rat_bptt`: {facts}\n" in text
    assert text.count("- measured on a CPU, 2 threads") == 1


def test_sets_in_the_same_folder_are_linked(tmp_path: Path) -> None:
    first, second, *_ = pair("kip", (0.6,), (0.7,))
    path = f"artefacts/{second.cell.id}.safetensors"
    (tmp_path / "artefacts").mkdir()
    (tmp_path / path).touch()
    text = folded(*pair("kip", (0.6,), (0.7,)), folder=tmp_path)
    assert f"sets of [seed 1]({path})" in text and first.cell.id not in text


def test_errors_are_listed_by_row() -> None:
    text = folded(*SMALL, trial("kip", status="oom", error="no | memory\n<b>"))
    assert "- `kip`: seed 0, oom: no &#124; memory &#60;b&#62;" in text


def test_an_incomplete_board_folds_only_what_there_is() -> None:
    text = folded(trial("kip", status="oom"))
    assert text.count("<details") == 2 and "| method | native % |" in text


def test_full_data_of_papers_stands_beside_ours() -> None:
    printed = Reported(task="digits", method="full_data", figures=((0, 98.1),), source="a paper")
    table = board(SMALL, reported=[printed]).tables[0]
    assert "| full data (60 epochs) | – | 98.1 ¹ |" in "\n".join(details(table, None))


def test_only_recipes_without_a_column_are_listed() -> None:
    of = trial("kip", recipe="dc-300")
    found = folded(
        of, *(evaluated(of, value, recipe=name) for name, value in (("dsa-1000", 0.5), ("dc-300", 0.6)))
    )
    assert "under other recipes" not in found and "60.0 (dc-300)" in found
    more = folded(of, evaluated(of, 0.5), evaluated(of, 0.4, recipe="mtt-1000"))
    assert "- `kip`: `mtt-1000` 40.0" in more and STANDARD not in more
