"""Evaluators' tables as Markdown, from tables made by hand."""

from suite.board.breakdown import Breakdown, BreakdownRow, Column
from suite.board.cells import TableKey
from suite.board.render.breakdown import cell, heading, place, sections
from suite.board.statistics.intervals import interval
from suite.core.scores import Score

WIDTH = Column("width", "basin width", Score("width", "basin width", unit="number", better="lower"))
CLEAN = Column("accuracy", "clean", Score("accuracy", "clean"))
KEY = TableKey("digits", 10, "convnet-d3-w128-in", "")


def table(evaluator: str = "sharpness", title: str = "Sharpness") -> Breakdown:
    rows = (
        BreakdownRow("kip", "kip", {"width": interval([(3.0,)]), "accuracy": interval([(0.5,)])}),
        BreakdownRow("dm", "dm", {}, "oom"),
    )
    return Breakdown(evaluator, title, KEY, (WIDTH, CLEAN), rows)


def test_headings_have_units_and_arrows() -> None:
    assert heading(WIDTH) == "basin width ↓" and heading(CLEAN) == "clean %"


def test_cells_are_scores_or_a_dash() -> None:
    measured, failed = table().rows
    assert cell(measured, CLEAN) == "50.0" and cell(measured, WIDTH) == "3"
    assert cell(failed, CLEAN) == "–"


def test_a_place_names_the_network_if_there_is_one() -> None:
    assert place(table()) == "digits, convnet-d3-w128-in"
    assert place(Breakdown("a", "A", KEY._replace(network=""), (CLEAN,), ())) == "digits"


def test_a_section_has_a_heading_an_order_and_its_rows() -> None:
    text = "\n".join(sections([table()]))
    assert "<summary>Sharpness: digits, 1 table</summary>" in text
    assert "**digits, convnet-d3-w128-in: 10 images per class**" in text
    assert "Sorted by **basin width**, lowest first." in text
    assert "| `kip` " in text and "| `dm` oom " in text
    assert "- 1 seed: intervals leave out variation between distillations" in text
    assert sections([]) == []


def test_equal_titles_are_told_apart() -> None:
    text = "\n".join(sections([table("one"), table("other")]))
    assert "<summary>Sharpness (one): " in text and "<summary>Sharpness (other): " in text
