"""Markdown's parts, by hand."""

import pytest

from suite.board.render.layout import (
    Notes,
    code,
    escaped,
    folded,
    link,
    listed,
    markdown_table,
    noted,
    row_name,
)
from suite.board.rows import BoardRow


def test_a_table_has_names_left_and_numbers_right() -> None:
    lines = markdown_table(["method", "n"], [["kip", "2"], ["random_subset", "10"]]).splitlines()
    assert lines == ["| method | n |", "| --- | --: |", "| kip | 2 |", "| random_subset | 10 |"]


def test_equal_notes_share_a_mark() -> None:
    notes = Notes()
    assert notes.mark([]) == "" and notes.lines() == []
    assert notes.mark(["one", "other"]) == "¹ ²"
    assert notes.mark(["other", "a|b"]) == "² ³"
    assert notes.lines() == ["- ¹ one", "- ² other", r"- ³ a&#124;b"]
    for number in range(4, 13):
        mark = notes.mark([f"note {number}"])
    assert mark == "¹²"


def test_names_do_not_break_a_table() -> None:
    assert escaped("a|b`c`") == "a&#124;b&#96;c&#96;"
    assert row_name(BoardRow(name="my|row", label="my", line="my", method="m")) == "<code>my&#124;row</code>"
    assert row_name(BoardRow(name="full data", label="full_data", line="full")) == "full data"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("81.2 [80.4, 82.0] (dc-300)", "81.2 [80.4, 82.0] (dc-300)"),  # ours are easy to read
        ("0.1 [−0.5, 1.3]", "0.1 [−0.5, 1.3]"),
        ("inner_lr 0.03", "inner_lr 0.03"),
        ("[1](http://a.b)", "[1&#93;(http&#58;//a.b)"),
        ("[ ] todo", "&#91; &#93; todo"),
        ("_em_ **b**", "&#95;em&#95; &#42;&#42;b&#42;&#42;"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("see www.a.b", "see www&#46;a.b"),
        ("two\n\n# lines", "two &#35; lines"),
        ("a\u202eb\x00", r"a&#92;u202eb&#92;x00"),
        ("\u0301a", "◌\u0301a"),
        ("שלום", "שלום\u200e"),
        ("x" * 500, "x" * 399 + "…"),
        ("", ""),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_code_is_easy_to_read_where_it_can_be() -> None:
    assert code("rat_bptt (window=40)") == "`rat_bptt (window=40)`" and code(" \n") == "`(no name)`"
    assert code("y" * 300) == f"`{'y' * 199}…`" and code("y" * 300, letters=400) == f"`{'y' * 300}`"
    assert listed(["a", "b`"]) == "`a`, <code>b&#96;</code>"


def test_links_need_an_address() -> None:
    assert link("`dm`", "https://a.b/c") == "[`dm`](https://a.b/c)" and link("`dm`", "") == "`dm`"


def test_a_folded_section_has_blank_lines_around_its_markdown_or_is_not_there() -> None:
    assert "\n\n".join(folded("More", ["| a |", ""])) == (
        '<details markdown="1"><summary>More</summary>\n\n| a |\n\n</details>'
    )
    assert folded("More", ["", ""]) == []


def test_marks_follow_their_text() -> None:
    assert noted("60.0", "¹ ²") == "60.0 ¹ ²" and noted("60.0", "") == "60.0"
