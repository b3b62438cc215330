"""The board as Markdown."""

from suite.board.files import render
from suite.board.tables import board
from suite.records.record import Record
from tests.support.board_records import (
    CPU,
    SMALL,
    pair,
)


def made_by(records: list[Record], commit: str, torch: str = "2.13.0") -> list[Record]:
    changed = CPU.model_copy(update={"commit": commit, "versions": {"torch": torch}})
    return [record.model_copy(update={"provenance": changed}) for record in records]


def test_a_table_says_what_code_its_rows_come_from_if_it_differs() -> None:
    assert "- measured with" not in render(board(SMALL), "md")
    other = pair("dm", (0.7,), (0.7,))
    text = render(board([*SMALL, *made_by(other, "def")]), "md")
    assert text.count("- measured with 2 commits\n") == 1
    mixed = [*SMALL, *other[:2], *made_by(other[2:], "def", "2.14.0")]
    text = render(board(mixed), "md")
    line = "2 commits (`dm` with more than one) and 2 torch versions (`dm` with more than one)"
    assert f"- measured with {line}\n" in text


def test_one_seed_says_what_its_interval_lacks() -> None:
    text = render(board(pair("rat_bptt", (0.8, 0.9))), "md")
    assert "- 1 seed: intervals leave out variation between distillations" in text and "`rat_bptt` |" in text
    mixed = render(board([*SMALL, *pair("kip", (0.8, 0.9))]), "md")
    assert "`kip` ¹ " in mixed and "- ¹ 1 seed: intervals leave out variation between distillations" in mixed
    assert "one network: no interval" in render(board(pair("rat_bptt", (0.8,))), "md")


def test_native_recipes_that_were_corrected_are_named() -> None:
    assert "corrected after" not in render(board(SMALL), "md")
    trial, *rest = pair("idc", (0.7,), (0.7,))
    changed = [
        each.model_copy(update={"recipe": "idc-1000"} if each.recipe else {}) for each in (trial, *rest)
    ]
    text = render(board([*SMALL, *changed]), "md")
    assert text.count("corrected after these rows were measured: `idc-1000`, now `idc-1000-v2`\n") == 1
