import pytest

from suite.board.ranks import Average, Averages
from suite.site.charts import critical
from tests.support import charts


def averages(*rows: tuple[str, tuple[float, ...]]) -> Averages:
    made = tuple(Average(name, sum(ranks) / len(ranks), ranks) for name, ranks in rows)
    return Averages(tuple(sorted(made, key=lambda each: each.rank)), len(made))


CLEAR = averages(
    ("first", (1.0,) * 12), ("second", (2.0,) * 12), ("third", (3.0,) * 12), ("fourth", (4.0,) * 12)
)


@pytest.mark.parametrize(
    ("rows", "quantile"),
    [
        (2, 1.960),
        (3, 2.343),
        (4, 2.569),
        (5, 2.728),
        (6, 2.850),
        (7, 2.949),
        (8, 3.031),
        (9, 3.102),
        (10, 3.164),
    ],
)
def test_critical_values_are_those_of_demsar(rows: int, quantile: float) -> None:
    """Table 5 (a) of the paper, at 0.05."""
    tables = 14
    wanted = quantile * (rows * (rows + 1) / (6 * tables)) ** 0.5
    assert critical.critical_difference(rows, tables) == pytest.approx(wanted, rel=1e-3)


def test_the_example_of_the_paper() -> None:
    """Section 3.2.4: four classifiers, 14 data sets, a critical difference of 1.25."""
    assert critical.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_groups_are_the_largest_of_near_ranks() -> None:
    assert critical.groups([1.0, 1.5, 2.0, 4.0], 1.0) == [(0, 2)]
    assert critical.groups([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert critical.groups([1.0, 3.0], 1.0) == []


def test_too_few_tables_or_rows_are_told() -> None:
    few = averages(("a", (1.0, 1.0)), ("b", (2.0, 2.0)), ("c", (3.0, 3.0)))
    assert critical.chart(few) is None and "3 rows are complete in 2 common tables" in critical.refusal(few)
    assert critical.chart(Averages()) is None and critical.refusal(Averages())


def test_ranks_lie_where_the_ticks_say_and_bars_span_groups() -> None:
    chart = critical.chart(CLEAR)
    assert chart and critical.refusal(CLEAR) == ""
    ticks = {each.text: each.x for each in charts.texts(chart, "tick")}
    assert [dot.x for dot in charts.dots(chart)] == pytest.approx([ticks[rank] for rank in "1234"])
    (x1, _, x2, _) = charts.segments(chart, "distance")[0]
    apart = critical.critical_difference(4, 12)
    assert (x2 - x1) / (ticks["2"] - ticks["1"]) == pytest.approx(apart, rel=1e-3)
    ys = [dot.y for dot in charts.dots(chart)]
    spans = [(y1, y2) for _, y1, _, y2 in charts.segments(chart, "group")]
    assert [[y1 < y < y2 for y in ys] for y1, y2 in spans] == [
        [True, True, False, False], [False, True, True, False], [False, False, True, True],
    ]  # fmt: skip
    assert "Friedman" in chart.caption and "Nemenyi" in chart.caption


def test_rows_that_friedman_cannot_tell_apart_share_one_bar() -> None:
    turns = averages(
        *((f"m{at}", tuple(float((at + turn) % 5 + 1) for turn in range(10))) for at in range(5))
    )
    chart = critical.chart(turns)
    assert chart and len(charts.segments(chart, "group")) == 1
    assert "no two rows differ significantly" in chart.caption and "approximation" in chart.caption


def test_equal_ranks_everywhere_have_a_chart() -> None:
    equal = averages(*((f"m{at}", (2.0,) * 6) for at in range(3)))
    chart = critical.chart(equal)
    assert chart and "nan" not in chart.caption
