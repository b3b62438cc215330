"""Better than random images: how often equal methods are told apart, and what is shown."""

import numpy as np
import pytest

from suite.board.statistics.differences import Copies, PerSeed
from suite.board.statistics.leads import LEVEL, lead

RNG = np.random.default_rng(5)


def drawn(seeds: int, copies: int, share: float, first: int = 0, mean: float = 0.5) -> PerSeed:
    """Accuracies whose variance is to `share` that of seeds."""
    sets = RNG.normal(0, 0.02 * share**0.5, seeds)
    return {
        first + seed: Copies(seed, tuple(mean + own + RNG.normal(0, 0.02 * (1 - share) ** 0.5, copies)))
        for seed, own in enumerate(sets)
    }


@pytest.mark.parametrize(("seeds", "copies"), [(2, 3), (3, 3), (3, 5), (5, 2), (10, 1)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("paired", [True, False])
def test_a_random_set_is_rarely_said_to_be_better(
    seeds: int, copies: int, share: float, paired: bool
) -> None:
    def wrong() -> bool:
        ours = [drawn(seeds, copies, share) for _ in range(3)]
        theirs = [drawn(seeds, copies, share, first=0 if paired else 100) for _ in range(3)]
        found = [lead(*pair, scores=3) for pair in zip(ours, theirs, strict=True)]
        return any(each is not None and each.low > 0 for each in found)

    runs = 600
    rate = sum(wrong() for _ in range(runs)) / runs
    assert rate < LEVEL + 2.5 * (LEVEL * (1 - LEVEL) / runs) ** 0.5


def test_a_clear_lead_is_shown_from_three_seeds_on() -> None:
    found = [lead(drawn(3, 3, 0.5, mean=0.7), drawn(3, 3, 0.5), scores=3) for _ in range(50)]
    assert sum(each is not None and each.low > 0 for each in found) >= 45


def test_the_interval_is_students_over_seeds() -> None:
    ours = {seed: Copies(0, (value, value + 0.02)) for seed, value in enumerate((0.60, 0.64, 0.68))}
    theirs = {seed: Copies(0, (0.5, 0.5)) for seed in range(3)}
    found = lead(ours, theirs)  # means 0.61, 0.65, 0.69: standard error 0.04 / sqrt(3)
    half = 2.91999 * 0.04 / 3**0.5
    assert found and found.mean == pytest.approx(0.15) and found.paired == 3
    assert found.low == pytest.approx(0.15 - half, abs=1e-5)
    assert found.high == pytest.approx(0.15 + half, abs=1e-5)


def test_one_set_shows_nothing_and_equal_values_have_no_width() -> None:
    one, three = drawn(1, 5, 0.5), drawn(3, 5, 0.5)
    assert lead(one, three) is None and lead(three, one) is None and lead({}, three) is None
    same = {seed: Copies(0, (0.5,)) for seed in range(3)}
    found = lead(same, same)
    assert found and (found.mean, found.low, found.high) == (0, 0, 0)


def test_differences_that_are_all_equal_show_no_lead() -> None:
    """In a test split of 60 images every twentieth pair of equal methods has such differences."""
    ours = {0: Copies(0, (0.65,)), 1: Copies(0, (0.55,))}
    theirs = {0: Copies(0, (0.60,)), 1: Copies(0, (0.50,))}
    for second in (theirs, {seed + 2: Copies(0, (0.60,)) for seed in range(2)}):
        first = ours if second is theirs else {seed: Copies(0, (0.65,)) for seed in range(2)}
        found = lead(first, second)
        assert found and (found.mean, found.low, found.high) == pytest.approx((0.05, 0, 0.05))
