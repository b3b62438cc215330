"""Which set counts for a budget: that of the last outer step that ended within it."""

from dataclasses import replace
from typing import cast

import pytest
import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Distiller
from suite.experiments.outer_loop.budgets import Budgets, Kept
from suite.experiments.outer_loop.loop import Trajectory
from suite.experiments.resources import Resources


class Counting:
    """Its set holds the number of its steps."""

    cached_seconds = 0.0

    def __init__(self, at: Trajectory) -> None:
        self.at, self.asked = at, 0

    def synthetic(self) -> SyntheticSet:
        self.asked += 1
        return SyntheticSet.with_hard_labels(torch.full((2, 1, 1, 2, 2), float(self.at.step)))


def steps(kept: list[tuple[float, Kept | None]]) -> list[tuple[float, int | None]]:
    for _, each in kept:
        assert each is None or each.synthetic.images.eq(each.at.step).all()
    return [(budget, each.at.step if each else None) for budget, each in kept]


class Run:
    """A run whose steps take given device-seconds; its own time, microseconds, does not matter."""

    def __init__(self, *budgets: float, start: float = 0.0, cached: float = 0.0) -> None:
        self.at = Trajectory(1000, device_seconds=start)
        self.distiller = Counting(self.at)
        self.distiller.cached_seconds = cached
        self.budgets = Budgets(budgets, cast(Distiller, self.distiller), self.at, Resources())

    def takes(self, *seconds: float) -> list[tuple[float, int | None]]:
        """Take steps; return the budgets that were spent, each with the step of its set."""
        found = []
        for each in seconds:
            self.at.step += 1
            self.at.device_seconds += each
            self.at.took(each)
            found += list(self.budgets.look())
        return steps(found)


def test_each_budget_gets_the_set_of_the_last_step_within_it() -> None:
    run = Run(2.5, 5.5, 5.7)
    assert run.takes(1, 1) == []
    assert run.takes(1) == [(2.5, 2)]
    assert run.takes(1, 1) == [] and run.takes(1) == [(5.5, 5), (5.7, 5)]
    assert not run.budgets.left


def test_before_the_first_step_has_ended_there_is_no_set() -> None:
    run = Run(2.5, 9.0)
    assert run.takes(3) == [(2.5, None)] and run.takes(7) == [(9.0, 1)]
    assert Run(2.5, start=3.0).takes(1) == [(2.5, None)], "the start counts"
    assert Run(2.5, cached=3.0).takes(1) == [(2.5, None)], "and what others paid for does"


def test_far_from_a_budget_no_set_is_asked_for() -> None:
    run = Run(100.5)
    run.takes(*[1.0] * 20)
    asked = run.distiller.asked
    run.takes(*[1.0] * 60)
    assert run.distiller.asked == asked and not run.budgets.near()
    run.takes(*[1.0] * 12)
    assert run.distiller.asked > asked and run.budgets.near()
    assert run.takes(*[1.0] * 9) == [(100.5, 100)]


def test_a_set_that_takes_long_to_make_does_not_count_where_it_is_over() -> None:
    run = Run(2.5, 9.0)
    run.takes(1, 1)
    whole = run.budgets.keep

    def slow() -> Kept:
        found = whole()
        run.at.device_seconds += 0.4
        return replace(found, device_seconds=run.budgets.spent)

    run.budgets.keep = slow  # type: ignore[method-assign]
    assert run.takes(0.2) == [(2.5, 2)], "at 2.2, and 2.6 with the making of the set"


def test_a_step_that_takes_long_by_surprise_says_so() -> None:
    run = Run(100.5)
    run.takes(*[1.0] * 20)
    run.at.step += 1
    run.at.device_seconds += 300
    ((budget, kept),) = run.budgets.look()
    assert (
        budget == 100.5 and kept and kept.at.step == 21 and kept.device_seconds == pytest.approx(320, abs=1)
    )


def test_the_planned_steps_are_those_that_the_last_budget_allows() -> None:
    run = Run(10.0, 100.0)
    assert run.budgets.planned() == 1000
    run.takes(2, 2)
    assert run.budgets.planned() == 50
    run.takes(*[2] * 60)
    assert run.budgets.planned() == 1000 and not run.budgets.left


def test_a_run_that_goes_on_has_the_set_of_its_last_step() -> None:
    run = Run(2.5, 9.0)
    run.takes(1, 1)
    run.budgets = Budgets((2.5, 9.0), cast(Distiller, run.distiller), run.at, Resources())
    assert run.takes(1) == [(2.5, 2)]


def test_a_run_that_goes_on_does_not_pay_again_for_the_set_of_its_last_step() -> None:
    run = Run(2.5)
    run.takes(1, 1)
    before = run.at.device_seconds
    again = Budgets((2.5,), cast(Distiller, run.distiller), run.at, Resources())
    assert again.held and again.held.device_seconds == run.at.device_seconds == before


def test_a_budget_is_passing_until_its_set_was_taken() -> None:
    run = Run(2.5, 9.0)
    run.takes(1, 1)
    assert not run.budgets.passing
    run.at.step, run.at.device_seconds = 3, 3.0
    for budget, _ in run.budgets.look():
        assert budget == 2.5 and run.budgets.passing
    assert not run.budgets.passing and run.budgets.left == [9.0]


def test_a_run_that_goes_on_keeps_what_was_spent() -> None:
    run = Run(2.5, 5.5)
    run.at.moments[2.5] = (2, 2.0)
    again = Budgets((5.5, 2.5), cast(Distiller, run.distiller), run.at, Resources())
    assert again.left == [5.5]
