"""Markdown's parts, by hand."""

from suite.board.render.layout import Notes, code, escaped, markdown_table, noted
from suite.board.rows import BoardRow


def test_a_table_has_names_left_and_numbers_right() -> None:
    lines = markdown_table(["method", "n"], [["kip", "2"], ["random_subset", "10"]]).splitlines()
    assert lines == [
        "| method        |   n |",
        "|---------------|-----|",
        "| kip           |   2 |",
        "| random_subset |  10 |",
    ]


def test_equal_notes_share_a_mark() -> None:
    notes = Notes()
    assert notes.mark([]) == "" and notes.lines() == []
    assert notes.mark(["one", "other"]) == "¹ ²"
    assert notes.mark(["other", "a|b"]) == "² ³"
    assert notes.lines() == ["- ¹ one", "- ² other", r"- ³ a\|b"]
    for number in range(4, 13):
        mark = notes.mark([f"note {number}"])
    assert mark == "¹²"


def test_names_do_not_break_a_table() -> None:
    assert escaped("a|b`c`") == r"a\|b'c'"
    assert code(BoardRow(name="my|row", label="my", line="my", method="mine")) == r"`my\|row`"
    assert code(BoardRow(name="full data", label="full_data", line="full")) == "full data"


def test_marks_follow_their_text() -> None:
    assert noted("60.0", "¹ ²") == "60.0 ¹ ²" and noted("60.0", "") == "60.0"
