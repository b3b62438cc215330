import itertools

import pytest

from suite.board.statistics.intervals import Interval, interval
from suite.site.charts.drawing import lines, scale
from suite.site.charts.drawing.lines import SLOTS, Frame, Points
from tests.support import charts

FRAME = Frame(
    "sizes", "A title", "A caption.", "images per class", "images per class", lambda x: f"{x:g}", 0.95
)


def line(name: str, **values: float) -> Points:
    return Points(name, {float(x[1:]): interval([(mean, mean + 0.01)]) for x, mean in values.items()})


MANY = [line(f"method_{at}", s1=0.3 + at / 100, s10=0.6 + at / 100) for at in range(17)]


def test_points_lie_where_the_ticks_say() -> None:
    chart = lines.chart(FRAME, lines.best([line("dm", s1=0.4, s10=0.6, s50=0.7)]), scale.sizes([1, 10, 50]))
    ticks = {each.text: each for each in charts.texts(chart, "tick")}
    dots = charts.dots(chart)
    assert [dot.x for dot in dots] == [ticks[size].x for size in ("1", "10", "50")]
    per_point = (ticks["60"].y - ticks["80"].y) / -20
    wanted = [ticks["60"].y + per_point * (100 * mean - 60) for mean in (0.405, 0.605, 0.705)]
    assert [dot.y + 4 for dot in dots] == pytest.approx(wanted, abs=0.05)  # numbers stand 4 pixels lower


def test_few_lines_are_shown_and_all_can_be_chosen() -> None:
    chart = lines.chart(FRAME, lines.best(MANY, always=["method_0"]), scale.sizes([1, 10]))
    shown = {each.name: each.slot for each in chart.choice if each.slot}
    assert len(chart.choice) == 17 and sorted(shown.values()) == [1, 2, 3, 4, 5]
    assert set(shown) == {"method_0", *(f"method_{at}" for at in (16, 15, 14, 13))}
    assert charts.html(chart).count('type="checkbox"') == 17


def test_names_at_the_ends_do_not_overlap() -> None:
    same = [line(f"method_{at}", s1=0.5, s10=0.7) for at in range(SLOTS)]
    chart = lines.chart(FRAME, lines.best(same), scale.sizes([1, 10]))
    ys = sorted(each.y for each in charts.texts(chart, "label"))
    assert len(ys) == SLOTS and all(after - before >= 14.9 for before, after in itertools.pairwise(ys))


def test_more_lines_than_colours_are_not_shown() -> None:
    found = [Points(each.name, each.values, shown=True) for each in MANY]
    assert sum(each.slot > 0 for each in lines.chart(FRAME, found, scale.sizes([1, 10])).choice) == SLOTS


def test_lines_that_reach_the_largest_size_come_first() -> None:
    short, long = line("short", s1=0.9), line("long", s1=0.1, s10=0.2)
    assert [each.name for each in lines.best([short, long], far=True)] == ["long", "short"]
    assert [each.name for each in lines.best([short, long])] == ["short", "long"]


def test_one_point_of_one_network_is_drawn_without_a_choice() -> None:
    single = Points("dm", {1.0: Interval(0.5, 0.5, 0.5, 1, (1,))}, shown=True)
    chart = lines.chart(FRAME, [single], scale.sizes([1]))
    assert not chart.choice and not charts.segments(chart, "interval") and len(charts.dots(chart)) == 1
