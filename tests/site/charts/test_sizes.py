from suite.board.statistics.intervals import Interval
from suite.site.charts import sizes
from tests.support import charts
from tests.support.charts import row, table

FULL = Interval(0.95, 0.94, 0.96, 1, (5,))
SMALL = table(row("dm", (0.4, 0.42)), row("random_subset", (0.3, 0.32), rank=2), ipc=1, full=FULL)
LARGE = table(row("dm", (0.7, 0.72)), row("random_subset", (0.6, 0.62), rank=2), ipc=10, full=FULL)


def test_the_values_are_those_of_the_rows() -> None:
    chart = sizes.chart([SMALL, LARGE])
    assert chart and chart.lines == (
        ("dm", "1", "41.0 [40.0, 42.0]", "1 × 2"),
        ("dm", "10", "71.0 [70.0, 72.0]", "1 × 2"),
        ("random_subset", "1", "31.0 [30.0, 32.0]", "1 × 2"),
        ("random_subset", "10", "61.0 [60.0, 62.0]", "1 × 2"),
    )
    assert [each.text for each in charts.texts(chart, "full")] == ["full data"]


def test_one_size_has_no_chart() -> None:
    assert sizes.chart([LARGE]) is None
    assert sizes.chart([table(ipc=1), table(ipc=10)]) is None


def test_incomplete_rows_are_left_out() -> None:
    lacking = table(row("dm", (0.7, 0.72)), row("dc", (0.9, 0.92), rank=None, state="incomplete"), ipc=10)
    chart = sizes.chart([SMALL, lacking])
    assert chart and "dc" not in {line[0] for line in chart.lines}


def test_a_method_s_own_lines_are_always_shown() -> None:
    def crowd(ipc: int) -> object:
        means = [0.5 + at / 100 for at in range(12)]
        return table(
            *(row(f"m{at}", (mean, mean + 0.01), rank=12 - at) for at, mean in enumerate(means)), ipc=ipc
        )

    tables = [crowd(1), crowd(10)]
    chart = sizes.chart(tables, {"m0"})  # type: ignore[arg-type]
    assert chart and "m0" in {each.name for each in chart.choice if each.slot}
    assert sizes.chart(tables, {"unknown"}) is None  # type: ignore[arg-type]
