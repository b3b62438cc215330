import pytest

from suite.board.statistics.differences import Difference, difference
from suite.site.charts import wins
from suite.site.rendering import environment
from tests.support.charts import row, table, words_of

BEST = ((0.80, 0.81, 0.82), (0.79, 0.80, 0.81))
NEAR = ((0.79, 0.80, 0.83), (0.80, 0.81, 0.80))
LAST = ((0.40, 0.41, 0.42), (0.39, 0.40, 0.41))
TABLE = table(row("best", *BEST, rank=1), row("near", *NEAR, rank=1), row("last", *LAST, rank=3))


def test_the_cells_are_the_differences_that_rank() -> None:
    found = wins.matrix(TABLE)
    assert found
    assert found.cells[0][2] == difference(TABLE.rows[0].per_seed, TABLE.rows[2].per_seed)
    mirrored = found.cells[2][0]
    assert mirrored and found.cells[0][2]
    assert (mirrored.low, mirrored.mean) == (-found.cells[0][2].high, -found.cells[0][2].mean)
    assert all(found.cells[at][at] is None for at in range(3))


def test_the_page_tells_settled_cells_by_more_than_colour() -> None:
    found = wins.matrix(TABLE)
    template = '{% from "figures/matrix.html" import matrix with context %}{{ matrix(found) }}'
    text = environment().from_string(template).render(found=found)
    assert text.count('class="win"') == text.count('class="loss"') == 2
    assert "+40.0" in words_of(text) and "−40.0" in words_of(text) and "excludes zero" in text
    assert "convnet-d3-w128-in" in text and "dsa-1000" in text


def test_hostile_names_are_text() -> None:
    name = '"><script>alert(1)</script>'
    found = wins.matrix(table(row(name, *BEST), row("b", *LAST)))
    template = '{% from "figures/matrix.html" import matrix with context %}{{ matrix(found) }}'
    assert "<script" not in environment().from_string(template).render(found=found)


def test_one_ranked_row_has_no_matrix() -> None:
    assert wins.matrix(table(row("a", *BEST), row("b", *NEAR, rank=None))) is None


def test_a_large_table_is_cut_and_says_so() -> None:
    rows = [row(f"m{at}", (0.5,), rank=1) for at in range(wins.MOST + 3)]
    found = wins.matrix(table(*rows))
    assert (
        found and len(found.rows) == wins.MOST and "The 3 rows that rank last are left out" in found.caption
    )


def test_win_rates_count_pairs_over_tables() -> None:
    matrices = [found for ipc in (1, 10) if (found := wins.matrix(table(*TABLE.rows, ipc=ipc)))]
    best, near, last = wins.tallies(matrices)
    assert (best.won, best.lost, best.undecided) == (2, 0, 2) and best.rate == 0.75
    assert (near.rate, last.name, last.rate) == (0.75, "last", 0.0)


def test_win_rates_need_common_rows_and_two_tables() -> None:
    one, other = wins.matrix(TABLE), wins.matrix(table(row("x", *BEST), row("y", *LAST)))
    assert one and other
    assert wins.tallies([]) == wins.tallies([one]) == wins.tallies([one, other]) == []


@pytest.mark.parametrize(
    ("mean", "text"), [(0.0123, "+1.2"), (-0.0123, "−1.2"), (0.0, "+0.0"), (-1e-9, "+0.0")]
)
def test_differences_have_their_sign(mean: float, text: str) -> None:
    assert wins.Matrix.text(Difference(mean, mean, mean, 0)) == text
