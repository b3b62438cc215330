"""Intervals by hand and against SciPy's bootstrap."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from suite.board.statistics.intervals import interval


def test_two_seeds_of_one_copy_span_what_was_seen() -> None:
    # Resampled means are 0.5, 0.6 and 0.7 with chances 1/4, 1/2, 1/4: both tails lie on the ends.
    found = interval([[0.5], [0.7]])
    assert (found.mean, found.low, found.high) == (0.6, 0.5, 0.7)
    assert (found.seeds, found.copies) == (2, (1, 1))


def test_the_mean_is_that_of_seed_means() -> None:
    found = interval([[0.2, 0.4, 0.6], [0.8]])  # of all copies it would be 0.5
    assert found.mean == 0.6
    assert found.copies == (3, 1)


def test_copies_are_resampled_inside_seeds() -> None:
    # One seed: the mean of two copies drawn from {0, 1} is 0, .5 or 1 with chances 1/4, 1/2, 1/4.
    one = interval([[0.0, 1.0]])
    assert (one.mean, one.low, one.high, one.seeds) == (0.5, 0.0, 1.0, 1)
    # Two such seeds: 0 and 1 have a chance of 1/16 each, which is more than 2.5%.
    two = interval([[0.0, 1.0], [0.0, 1.0]])
    assert (two.low, two.high) == (0.0, 1.0)
    # Equal seeds of equal copies: nothing varies.
    same = interval([[0.3, 0.3], [0.3, 0.3]])
    assert (same.low, same.high) == (0.3, 0.3)


def test_a_level_that_leaves_the_rare_ends_out() -> None:
    # 0 and 1 together have 1/8; with 20% outside, the ends lie at 1/4 and 3/4.
    found = interval([[0.0, 1.0], [0.0, 1.0]], level=0.8)
    assert (found.low, found.high) == (0.25, 0.75)


def test_more_copies_do_not_narrow_what_seeds_vary() -> None:
    seeds = [0.50, 0.55, 0.60, 0.65]
    few = interval([[seed] for seed in seeds])
    many = interval([[seed] * 20 for seed in seeds])
    assert many.high - many.low == pytest.approx(few.high - few.low, abs=0.01)


@pytest.mark.parametrize("nested", [False, True])
def test_it_agrees_with_scipy_where_there_is_one_level(nested: bool) -> None:
    values = np.random.default_rng(0).normal(0.7, 0.05, size=12)
    groups = [values.tolist()] if nested else [[value] for value in values]
    ours = interval(groups)
    theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)
    assert ours.mean == pytest.approx(values.mean())


def test_seed_means_vary_as_both_levels_do() -> None:
    # The variance of a resampled mean: between seeds, plus within them, each over its number.
    rng = np.random.default_rng(3)
    groups = rng.normal(0, 1, size=(30, 1)) + rng.normal(0, 2, size=(30, 8))
    between = groups.mean(axis=1).var() / 30
    within = groups.var(axis=1).mean() / (30 * 8)
    found = interval(groups.tolist())
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(between + within), rel=0.05)


def test_it_is_deterministic_and_leaves_global_randomness_alone() -> None:
    state = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    groups = [[0.1, 0.2, 0.4], [0.3, 0.5], [0.2]]
    assert interval(groups) == interval(groups)
    fine = [np.linspace(0.1, 0.9, 7).tolist(), np.linspace(0.2, 0.5, 6).tolist(), [0.31, 0.77]]
    assert interval(fine, seed=1) != interval(fine, seed=2)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]  # noqa: NPY002


def test_one_number_has_no_width_and_says_so() -> None:
    found = interval([[0.42]])
    assert (found.mean, found.low, found.high, found.measured) == (0.42, 0.42, 0.42, False)
    assert interval([[0.42, 0.42]]).measured


@pytest.mark.parametrize(
    ("groups", "level", "message"),
    [
        ([], 0.95, "at least one seed"),
        ([[0.1], []], 0.95, "at least one copy"),
        ([[0.1, float("nan")]], 0.95, "finite"),
        ([[0.1]], 95, "level 95 must lie between 0 and 1"),
    ],
)
def test_what_has_no_interval_is_refused(groups: list[list[float]], level: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interval(groups, level=level)


def test_few_seeds_cover_less_and_more_seeds_what_they_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation: seeds and copies vary alike, five copies; how often the true mean is inside."""
    monkeypatch.setattr("suite.board.statistics.resampling.RESAMPLES", 1000)
    rng = np.random.default_rng(5)

    def coverage(seeds: int, runs: int = 400) -> float:
        values = rng.normal(0, 1, size=(runs, seeds, 1)) + rng.normal(0, 1, size=(runs, seeds, 5))
        found = [interval(groups) for groups in values.tolist()]
        return sum(each.low <= 0 <= each.high for each in found) / runs

    # The docstring's figures; of 400 runs the share is known to two standard deviations of 4 points.
    assert coverage(2) == pytest.approx(0.75, abs=0.06)
    assert coverage(5) == pytest.approx(0.88, abs=0.05)
    assert coverage(20) == pytest.approx(0.94, abs=0.04)
