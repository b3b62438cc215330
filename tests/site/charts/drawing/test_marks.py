import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.site.charts.drawing import marks


@given(st.lists(st.floats(0, 300), max_size=15))
def test_spread_names_are_apart_and_in_order(wanted: list[float]) -> None:
    found = marks.spread(wanted, 15, 0, 300)
    assert all(-1e-6 <= place <= 300 + 1e-6 for place in found)
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    gaps = [found[after] - found[before] for before, after in itertools.pairwise(order)]
    assert all(gap >= 15 - 0.02 for gap in gaps)


def test_names_with_room_stay() -> None:
    assert marks.spread([10, 200, 100], 15, 0, 300) == [10, 200, 100]


def test_two_names_at_one_place_give_way_equally() -> None:
    assert marks.spread([100, 100], 15, 0, 300) == [92.5, 107.5]


@pytest.mark.parametrize("text", ["rat_bptt", "名前" * 40, "x" * 500, "a\nb\x00c", "", "👩‍🔬" * 60])
def test_cut_names_fit_on_one_line(text: str) -> None:
    found = marks.cut(text, 120)
    assert marks.width(found) <= 120 and "\n" not in found and "\x00" not in found


def test_cut_names_keep_both_ends() -> None:
    found = marks.cut("strongly_boosted (first 1 of 10)", 150)
    assert found.startswith("strongly") and found.endswith("of 10)")


def test_wide_letters_count_twice() -> None:
    assert marks.width("名") == 2 * marks.width("n")
