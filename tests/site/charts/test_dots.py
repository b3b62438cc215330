import itertools
import re

import pytest

from suite.board.statistics.intervals import Interval
from suite.site.charts import dots
from suite.site.charts.drawing.marks import Box, Chart
from tests.support import charts
from tests.support.charts import row, table

TABLE = table(
    row("idc", (0.80, 0.82), (0.79, 0.81), rank=1),
    row("dm", (0.70, 0.74), (0.71, 0.73), rank=2),
    row("dc", (0.70, 0.72), (0.71, 0.73), rank=2),
    row("random_subset", (0.40, 0.52), (0.44, 0.50), rank=4),
    full=Interval(0.95, 0.94, 0.96, 1, (5,)),
)


def drawn(*rows: object, **changes: object) -> Chart:
    found = dots.chart(table(*rows, **changes))  # type: ignore[arg-type]
    assert found
    return found


def test_dots_and_bars_lie_where_the_ticks_say() -> None:
    chart = dots.chart(TABLE)
    assert chart
    ticks = [each for each in charts.texts(chart, "tick") if re.fullmatch(r"\d+", each.text)]
    first, last = ticks[0], ticks[-1]
    per_point = (last.x - first.x) / (float(last.text) - float(first.text))
    zero = first.x - per_point * float(first.text)
    for shown, wanted in zip(charts.dots(chart), TABLE.rows, strict=True):
        accuracy = wanted.accuracy
        assert accuracy and shown.text.startswith(f"{wanted.name}: ")
        assert shown.x == pytest.approx(zero + per_point * 100 * accuracy.mean, abs=0.01)
    bars = charts.segments(chart, "interval")
    for (x1, _, x2, _), wanted in zip(bars, TABLE.rows, strict=True):
        assert wanted.accuracy
        ends = [zero + per_point * 100 * end for end in (wanted.accuracy.low, wanted.accuracy.high)]
        assert [x1, x2] == pytest.approx(ends, abs=0.01)


def test_tied_rows_share_a_band() -> None:
    chart = dots.chart(TABLE)
    assert chart
    bands = [mark for mark in chart.marks if isinstance(mark, Box)]
    ys = [shown.y for shown in charts.dots(chart)]
    inside = [[band.y < y < band.y + band.height for y in ys] for band in bands]
    assert inside == [[True, False, False, False], [False, False, False, True]]
    assert [each.text for each in charts.texts(chart, "rank")] == ["1", "2", "2", "4"]


def test_the_caption_says_task_network_recipe_and_bars() -> None:
    chart = dots.chart(TABLE)
    assert chart and "digits at 10 images per class" in chart.title
    for word in ("convnet-d3-w128-in", "dsa-1000", "95% intervals", "share a rank"):
        assert word in chart.caption


def test_full_data_is_a_line_with_its_name() -> None:
    chart = dots.chart(TABLE)
    assert chart and [each.text for each in charts.texts(chart, "full")] == ["full data"]
    assert len(charts.segments(chart, "full")) == 1


def test_one_row_of_one_network_has_no_bar_and_is_hollow() -> None:
    chart = drawn(row("dm", (0.5,)))
    assert not charts.segments(chart, "interval")
    assert "single" in charts.dots(chart)[0].look and "Hollow dots" in chart.caption


def test_incomplete_rows_are_grey_and_absent_ones_are_named() -> None:
    chart = drawn(
        row("dm", (0.5, 0.6)),
        row("dc", (0.4, 0.5), rank=None, state="incomplete"),
        row("mtt", rank=None, state="oom"),
    )
    assert [("unranked" in each.look) for each in charts.dots(chart)] == [False, True]
    assert "No accuracy: mtt (oom)." in chart.caption


def test_a_table_without_accuracies_has_no_chart() -> None:
    assert dots.chart(table(row("mtt", rank=None, state="missing"))) is None
    assert dots.chart(table()) is None


def test_forty_rows_do_not_overlap() -> None:
    means = [0.9 - at / 100 for at in range(40)]
    chart = drawn(*(row(f"method_{at}", (mean, mean + 0.01), rank=at + 1) for at, mean in enumerate(means)))
    ys = [each.y for each in charts.texts(chart, "name")]
    assert len(ys) == 40 and min(after - before for before, after in itertools.pairwise(ys)) > 15
    assert chart.height > ys[-1]


def test_hostile_names_are_text() -> None:
    name = "<script>alert(1)</script>\"&'</svg>"
    chart = drawn(row(name, (0.5, 0.6)))
    text = charts.html(chart)
    assert "<script" not in text and text.count("</svg>") == text.count("<svg")
    assert charts.dots(chart)[0].text.startswith(name)  # well-formed, and the same text


def test_values_stand_in_a_table() -> None:
    chart = dots.chart(TABLE)
    assert chart and chart.lines[0][:3] == ("1", "idc", "80.5 [79.5, 81.5]")
    assert "80.5 [79.5, 81.5]" in charts.words_of(charts.html(chart))
