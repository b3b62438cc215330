"""Reproduced, off or undecided: by hand, at the borders of the rule."""

from math import hypot

import pytest

from suite.board.atlas.verdicts import WIDEST, verdict
from suite.board.statistics.differences import Copies, PerSeed, combination


def seeds(*values: tuple[float, ...]) -> PerSeed:
    return {seed: Copies(seed, each) for seed, each in enumerate(values)}


NARROW = seeds((0.500, 0.502), (0.501, 0.503), (0.499, 0.501))
"""Accuracies around 50.1%, with a half-width of about 0.3 points."""


def half_width(ours: PerSeed) -> float:
    own = combination([(1.0, ours)])
    return 100 * max(own.high - own.mean, own.mean - own.low)


def test_an_agreement_within_both_intervals_is_a_reproduction() -> None:
    found = verdict((10, 50.5, 0.4), NARROW)
    assert found.word == "reproduced" and found.difference == pytest.approx(-0.4)
    assert found.half_width == pytest.approx(hypot(half_width(NARROW), 1.96 * 0.4), abs=1e-6)


def test_a_difference_beyond_both_intervals_is_told() -> None:
    found = verdict((10, 52.0, 0.4), NARROW)
    assert found.word == "off" and found.difference == pytest.approx(-1.9)
    assert verdict((10, 48.0, 0.4), NARROW).word == "off"


def test_the_border_is_where_the_interval_ends() -> None:
    width = half_width(NARROW)
    inside, outside = (50.1 + sign * width for sign in (0.99, 1.01))
    assert verdict((10, inside), NARROW).word == "reproduced"
    assert verdict((10, outside), NARROW).word == "off"


def test_a_printed_spread_widens_the_interval() -> None:
    assert verdict((10, 51.5), NARROW).word == "off"
    assert verdict((10, 51.5, 0.9), NARROW).word == "reproduced"


def test_an_interval_that_is_too_wide_decides_nothing() -> None:
    wide = seeds((0.45,), (0.55,))
    assert half_width(wide) > WIDEST
    found = verdict((10, 50.0, 0.1), wide)
    assert (found.word, found.reason) == ("undecided", "wider than 2 points")
    assert verdict((10, 50.0, 2.0), NARROW).word == "undecided"  # the paper's spread alone is too wide
    assert verdict((10, 80.0, 0.1), wide).word == "off"  # a large difference is one nevertheless


def test_one_distillation_decides_nothing() -> None:
    for printed in (50.1, 60.0):
        found = verdict((10, printed, 0.2), seeds((0.500, 0.501, 0.502)))
        assert (found.word, found.reason) == ("undecided", "1 distillation")
        assert found.half_width is not None


def test_without_variation_there_is_no_interval() -> None:
    found = verdict((10, 50.0, 0.2), seeds((0.5,)))
    assert (found.word, found.half_width, found.reason) == ("undecided", None, "nothing varied")
