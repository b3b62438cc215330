"""Accuracy over sizes: its mean on a log scale, what is compared, and what it costs."""

from math import log

import pytest

from suite.board.anytime.sizes import AnySize, SizeCurve, any_size
from suite.board.tables import board
from suite.records.record import Record
from tests.board.test_cells import BUDGETS, scored, spending
from tests.support.board_records import evaluated, pair, trial


def prefixed(label: str, *accuracies: dict[int, float], window: int = 40) -> list[Record]:
    """Trials of seeds 0, 1, … at 8 images, with two networks at each size, which is a prefix below 8."""
    found = []
    for seed, sizes in enumerate(accuracies):
        of = trial(label, seed=seed, ipc=8, window=window)
        found += [of, *(evaluated(of, at, at, ipc=size % 8) for size, at in sizes.items())]
    return found


def direct(label: str, accuracies: dict[int, float]) -> list[Record]:
    """A trial for each size, with two networks."""
    return [each for size, at in accuracies.items() for each in pair(label, (at, at), ipc=size)]


def curves(*records: Record) -> AnySize:
    (found,) = any_size(board(records).tables)
    return found


def one(found: AnySize, name: str) -> SizeCurve:
    return next(each for each in found.curves if each.name == name)


ONE_SET = prefixed("boosted", {1: 0.1, 2: 0.3, 8: 0.5})


def test_the_mean_is_the_area_under_the_curve_over_the_log_of_sizes() -> None:
    found = curves(*ONE_SET, *direct("dm", {1: 0.4, 2: 0.4, 8: 0.4}))
    assert found.sizes == (1, 2, 8) and [each.name for each in found.curves] == [
        "dm",
        "boosted (prefixes of 8)",
    ]
    area = one(found, "boosted (prefixes of 8)").area
    assert area and area.mean == pytest.approx((0.2 * log(2) + 0.4 * log(4)) / log(8))  # two trapezoids
    flat = one(found, "dm").area
    assert flat and flat.mean == pytest.approx(0.4)


def test_its_interval_covers_seeds_whose_sizes_go_together() -> None:
    sizes = [{1: 0.1 + up, 2: 0.3 + up, 8: 0.5 + up} for up in (0.0, 0.1, 0.2)]
    (curve,) = curves(*prefixed("boosted", *sizes)).curves
    assert curve.area and curve.area.low < curve.area.mean - 0.04 and curve.area.high > curve.area.mean + 0.04


def test_a_set_is_paid_once_and_sets_of_each_size_each() -> None:
    found = curves(*ONE_SET, *direct("dm", {1: 0.4, 2: 0.4, 8: 0.4}))
    costs = {each.name: each.device_seconds for each in found.curves}
    assert costs == {"boosted (prefixes of 8)": 120, "dm": 3 * 120}


def test_sizes_are_those_of_sets_with_prefixes_and_a_missing_one_leaves_no_mean() -> None:
    found = curves(
        *ONE_SET, *direct("dm", {1: 0.4, 2: 0.4, 4: 0.5, 8: 0.4}), *direct("mtt", {2: 0.4, 8: 0.4})
    )
    assert found.sizes == (1, 2, 8)
    short = one(found, "mtt")
    assert short.area is None and found.curves[-1] == short and short.rows[0] is None
    assert [each.name for each in curves(*ONE_SET, *direct("dm", {8: 0.9})).curves] == [
        "boosted (prefixes of 8)"
    ], "a row of one size is no curve"


def test_rows_of_one_label_with_other_settings_are_other_curves() -> None:
    records = [*prefixed("boosted", {1: 0.1, 2: 0.1, 8: 0.1}, window=20), *ONE_SET]
    assert {each.name for each in curves(*records).curves} == {
        "boosted (prefixes of 8, window=20)",
        "boosted (prefixes of 8, window=40)",
    }


def test_each_budget_has_curves_of_its_own() -> None:
    small = spending("boosted")
    of = small.model_copy(update={"ipc": 4, "cell": small.cell.model_copy(update={"ipc": 4})})
    evaluations = [scored(of, at, at / 1000, at / 1000, ipc=ipc) for at in BUDGETS for ipc in (1, 2, 0)]
    found = any_size(board([of, *evaluations]).tables)
    within = [each.tables[0].within for each in found]
    assert [each.device_seconds for each in within if each] == list(BUDGETS)
    means = [each.curves[0].area for each in found if each.sizes == (1, 2, 4)]
    assert [area.mean for area in means if area] == pytest.approx([at / 1000 for at in BUDGETS])


def test_without_prefixes_or_with_two_sizes_there_is_no_curve() -> None:
    assert any_size(board(direct("dm", {1: 0.4, 2: 0.4, 8: 0.4})).tables) == ()
    assert any_size(board(prefixed("boosted", {1: 0.1, 8: 0.5})).tables) == ()
