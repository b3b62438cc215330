"""Curves over sizes in the leaderboard."""

from suite.board.files import render
from suite.board.render.table.sizes import sections
from suite.board.tables import board
from tests.board.anytime.test_sizes import ONE_SET, direct
from tests.support.board_records import pair


def test_a_table_has_a_line_for_each_curve_and_a_column_for_each_size() -> None:
    made = board([*ONE_SET, *direct("dm", {1: 0.4, 2: 0.2}), *direct("<mtt>", {1: 0.2, 2: 0.2, 8: 0.2})])
    title, introduction, place, table = sections(made, {"dm": "https://arxiv.org/abs/2110.04181"})
    assert title == "## One set for many sizes" and "logarithm of images per class" in introduction
    assert place == "**digits, convnet-d3-w128-in**"
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert lines[0] == ["method", "mean", "1", "2", "8", "device time"]
    assert lines[2] == ["`boosted (prefixes of 8)`", "33.3", "10.0", "**30.0**", "**50.0**", "2.0 min"]
    assert lines[3] == ["<code>&#60;mtt&#62;</code>", "20.0", "20.0", "20.0", "20.0", "6.0 min"]
    assert lines[4][:2] == ["[`dm`](https://arxiv.org/abs/2110.04181)", "–"]
    assert lines[4][2:] == ["**40.0**", "20.0", "–", "4.0 min"]
    assert table.splitlines()[2] in render(made, "md")


def test_boards_without_prefixes_have_no_such_section() -> None:
    assert sections(board(pair("dm", (0.5, 0.6))), {}) == []
