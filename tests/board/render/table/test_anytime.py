"""Curves over device-seconds in the leaderboard."""

from suite.board.files import render
from suite.board.render.table.anytime import sections
from suite.board.tables import board
from tests.board.anytime.test_curves import seeds
from tests.board.test_cells import scored, spending
from tests.support.board_records import full_data, pair


def test_a_table_has_a_line_for_each_row_and_a_column_for_each_budget() -> None:
    late = spending("mtt", moments=(100.0,), late=(10.0,), classes=10)
    cells = [scored(late, 10, status="late"), scored(late, 100, 0.2, 0.2), scored(late, 600, 0.3, 0.3)]
    made = board([*seeds("dm", (0.1, 0.3, 0.65)), late, *cells, full_data(0.8, 0.8)])
    title, introduction, place, table = sections(made, {"dm": "https://arxiv.org/abs/2110.04181"})
    assert title == "## At equal device time" and "p < 0.01" in introduction
    assert place == "**digits, 1 image per class, convnet-d3-w128-in, on a CPU**"
    heading, _, first, second = table.splitlines()
    columns = [each.strip() for each in heading.strip("|").split("|")]
    assert columns[:5] == ["method", "mean", "10 s", "100 s", "600 s"]
    assert columns[5:] == [f"time to {share}% of full data ({0.8 * share:.1f})" for share in (50, 75, 90)]
    values = [[each.strip() for each in line.strip("|").split("|")] for line in (first, second)]
    assert values[0][0] == "[`dm`](https://arxiv.org/abs/2110.04181)"
    assert values[0][2:] == ["**10.0**", "**30.0**", "**65.0**", "600 s", "600 s", "∞"]
    assert values[1][2:] == ["late", "20.0", "30.0", "∞", "∞", "∞"]
    assert second in render(made, "md")


def test_boards_without_budgets_have_no_such_section() -> None:
    assert sections(board(pair("dm", (0.5, 0.6))), {}) == []
