import math

import pytest

from suite.board.statistics.intervals import interval
from suite.site.charts import pareto
from suite.site.charts.pareto import Point, front
from tests.support import charts
from tests.support.charts import row, table

GPU = "NVIDIA H200"
TABLE = table(
    row("slow", (0.80, 0.82), rank=1, seconds=1000, stored=62_720),
    row("fast", (0.70, 0.72), rank=2, seconds=10),
    row("beaten", (0.60, 0.62), rank=3, seconds=100),
    row("random_subset", (0.40, 0.42), rank=4, seconds=0.004),
    row("on a GPU", (0.90, 0.92), rank=1, seconds=5, device=GPU),
    row("another on it", (0.85, 0.87), rank=1, seconds=6, device=GPU),
)


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(f"p{at}", cost, interval([(mean,)])) for at, (cost, mean) in enumerate(pairs)]


def test_the_front_holds_what_nothing_beats() -> None:
    found = front(points((1, 0.5), (2, 0.4), (3, 0.6), (3, 0.55), (4, 0.6), (5, 0.9)))
    assert [(each.cost, each.value.mean) for each in found] == [(1, 0.5), (3, 0.6), (5, 0.9)]


def test_times_compare_within_one_class_of_devices() -> None:
    cpu, gpu = pareto.seconds(TABLE)
    assert charts.CPU in cpu.caption and GPU in gpu.caption
    assert {line[0] for line in gpu.lines} == {"on a GPU", "another on it"}
    assert {line[0]: line[3] for line in cpu.lines} == {
        "random_subset": "yes", "fast": "yes", "beaten": "", "slow": "yes",
    }  # fmt: skip
    assert "dsa-1000" in cpu.caption and "10 images per class" in cpu.title


def test_points_lie_where_the_ticks_say() -> None:
    cpu, _ = pareto.seconds(TABLE)
    ticks = {each.text: each for each in charts.texts(cpu, "tick")}
    dots = {each.text.partition(":")[0]: each for each in charts.dots(cpu)}
    assert dots["fast"].x == pytest.approx(ticks["10 s"].x, abs=0.01)
    per_factor = (ticks["10 s"].x - ticks["≤ 1 s"].x) / math.log(10)
    assert dots["beaten"].x == pytest.approx(ticks["10 s"].x + per_factor * math.log(10), abs=0.01)
    assert dots["random_subset"].x == pytest.approx(ticks["≤ 1 s"].x, abs=0.01)
    rise = (ticks["80"].y - ticks["60"].y) / 20
    assert dots["slow"].y == pytest.approx(ticks["60"].y - 4 + rise * 21, abs=0.05)


def test_bytes_of_all_sizes_share_a_chart() -> None:
    small = table(row("dm", (0.4, 0.42), stored=3_136), ipc=1)
    large = table(row("dm", (0.7, 0.72), stored=31_360), ipc=10)
    chart = pareto.stored([small, large])
    assert chart and [line[:2] for line in chart.lines] == [("dm, 1", "3.1 kB"), ("dm, 10", "31.4 kB")]
    assert "1 and 10 images per class" in chart.title


def test_too_few_or_unmeasured_rows_have_no_chart() -> None:
    alone = table(row("dm", (0.4,), stored=0, device=""), row("mtt", rank=None, state="oom"))
    assert pareto.seconds(alone) == [] and pareto.stored([alone]) is None
    unknown = table(row("a", (0.4,), seconds=math.nan), row("b", (0.5,), seconds=math.inf))
    assert pareto.seconds(unknown) == []


def test_sets_that_were_not_distilled_here_have_no_time() -> None:
    external = [row(f"theirs {at}", (0.5,), method=f"external:{at}") for at in range(2)]
    assert pareto.seconds(table(*external)) == []


def test_equal_points_keep_a_chart() -> None:
    chart = pareto.stored([table(row("a", (0.5, 0.6)), row("b", (0.5, 0.6)))])
    assert chart and len(charts.dots(chart)) == 2


def test_forty_rows_are_drawn_and_the_front_is_named() -> None:
    rows = [
        row(f"m{at}", (0.3 + at / 100, 0.31 + at / 100), seconds=10 + at, rank=40 - at) for at in range(40)
    ]
    (chart,) = pareto.seconds(table(*rows))
    assert len(charts.dots(chart)) == 40 and len(charts.texts(chart, "point")) >= 12
