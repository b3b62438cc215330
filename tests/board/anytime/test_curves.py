"""Accuracy over time: its mean on a log scale, and the time until a target is reached."""

from math import log

import pytest

from suite.board.anytime.curves import Anytime, Curve, anytime
from suite.board.tables import board
from suite.records.record import Record
from tests.board.test_cells import anytime as scored_over_time
from tests.board.test_cells import scored, spending
from tests.support.board_records import full_data, pair


def curves(*records: Record) -> Anytime:
    (found,) = anytime(board(records).tables)
    return found


def one(found: Anytime, name: str) -> Curve:
    return next(each for each in found.curves if each.name == name)


def seeds(label: str, *accuracies: tuple[float, float, float]) -> list[Record]:
    """Trials of seeds 0, 1, … with the accuracies within each budget."""
    made = []
    for seed, values in enumerate(accuracies):
        made += scored_over_time(spending(label, seed=seed), *values)
    return made


def test_the_mean_is_the_area_under_the_curve_over_log_time() -> None:
    found = curves(*seeds("dm", (0.1, 0.3, 0.6)), *seeds("mtt", (0.5, 0.5, 0.5)))
    assert found.budgets == (10, 100, 600) and found.device == "a CPU" and not found.targets
    assert [each.name for each in found.curves] == ["mtt", "dm"]
    whole, last = log(60), log(6)
    expected = (0.2 * log(10) + 0.45 * last) / whole  # two trapezoids
    area = one(found, "dm").area
    assert area and area.mean == pytest.approx(expected)
    flat = one(found, "mtt").area
    assert flat and flat.mean == pytest.approx(0.5)


def test_its_interval_covers_seeds_whose_budgets_go_together() -> None:
    area = one(curves(*seeds("dm", (0.1, 0.3, 0.5), (0.3, 0.5, 0.7), (0.2, 0.4, 0.6))), "dm").area
    assert area and area.low < area.mean - 0.04 and area.high > area.mean + 0.04


def test_a_budget_without_a_set_counts_as_chance_and_a_missing_cell_leaves_no_mean() -> None:
    of = spending("mtt", moments=(100.0,), late=(10.0,), classes=10)
    late = scored(of, 10, status="late")
    found = curves(of, late, scored(of, 100, 0.5, 0.5), scored(of, 600, 0.5, 0.5))
    area = one(found, "mtt").area
    weight = log(10) / 2 / log(60)
    assert area and area.mean == pytest.approx(0.5 * (1 - weight) + 0.1 * weight)
    never = spending("never", moments=(), late=(10.0, 100.0), status="late", classes=10)
    nothing = [scored(never, budget, status="late") for budget in (10, 100, 600)]
    area = one(curves(never, *nothing), "never").area
    assert area and (area.mean, area.low, area.high) == pytest.approx((0.1, 0.1, 0.1))
    some = spending("mtt", moments=(100.0,), late=(10.0,), classes=10, seed=1)
    one_late = [
        *seeds("mtt", (0.5, 0.5, 0.5)),
        *(some, scored(some, 10, status="late"), scored(some, 100, 0.5, 0.5), scored(some, 600, 0.5, 0.5)),
    ]
    area = one(curves(*one_late), "mtt").area
    assert area and area.mean == pytest.approx(0.5 * (1 - weight) + 0.3 * weight), "one of two seeds was late"
    missing = spending("dm")
    (only,) = anytime(board([missing, scored(missing, 10, 0.5, 0.5), scored(missing, 600, 0.5, 0.5)]).tables)
    assert [row is None for row in only.curves[0].rows] == [False, False]


def test_a_target_is_reached_after_the_first_budget_whose_interval_lies_above() -> None:
    reference = full_data(0.8, 0.8)
    selection = seeds("k_means", (0.39, 0.4, 0.4), (0.41, 0.4, 0.4))
    slow = seeds("slow", (0.2, 0.45, 0.75), (0.21, 0.46, 0.76), (0.2, 0.44, 0.74))
    unsure = seeds("unsure", (0.2, 0.3, 0.9), (0.2, 0.3, 0.3))
    found = curves(reference, *selection, *slow, *unsure)
    assert [(each.name, round(each.accuracy, 3)) for each in found.targets] == [
        ("k_means", 0.4),
        ("50% of full data", 0.4),
        ("75% of full data", 0.6),
        ("90% of full data", 0.72),
    ]
    assert one(found, "slow").reached == (100, 100, 600, 600)
    assert one(found, "unsure").reached == (None, None, None, None)


def test_tables_without_budgets_or_with_one_are_no_curve() -> None:
    assert anytime(board(pair("dm", (0.5, 0.6))).tables) == ()
    of = spending("dm", moments=())
    assert anytime(board([of, scored(of, 600, 0.5)]).tables) == ()
