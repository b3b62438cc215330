"""The hierarchical bootstrap, by hand."""

import numpy as np
import pytest

from suite.board.statistics.resampling import (
    AT_ONCE,
    RESAMPLES,
    ends,
    means,
    parts,
    sample_copies,
    sample_seeds,
    weights,
)


def test_means_by_hand() -> None:
    """Two seeds of copies 1, 3 and of 10; resamples draw seeds (0, 1), (1, 1), (0, 0)."""
    drawn = np.array([[0, 1], [1, 1], [0, 0]])
    chosen = np.array([[[0.0, 0.9], [0.9, 0.1]], [[0.0, 0.0], [0.5, 0.5]], [[0.9, 0.9], [0.0, 0.0]]])
    found = means([1.0, 3.0, 10.0], weights([2, 1], drawn, chosen))
    assert found.tolist() == [(2.0 + 10.0) / 2, 10.0, (3.0 + 1.0) / 2]


def test_a_missing_seed_counts_in_no_mean() -> None:
    drawn, chosen = np.array([[0, 1], [1, 1]]), np.zeros((2, 2, 1))
    found = means([4.0], weights([1, 0], drawn, chosen))
    assert found[0] == 4.0 and np.isnan(found[1])


def test_draws_repeat_and_cover_all() -> None:
    first, second = (sample_seeds(3, np.random.default_rng(0), 1000) for _ in range(2))
    assert first.shape == (1000, 3) and (first == second).all()
    assert set(first.flatten().tolist()) == {0, 1, 2}
    copies = sample_copies(first, 2, np.random.default_rng(1))
    assert copies.shape == (1000, 3, 2) and copies.min() >= 0 and copies.max() < 1
    assert copies.mean() == pytest.approx(0.5, abs=0.01)


def test_weights_are_those_of_the_drawn_copies() -> None:
    """Against the definition, resample by resample: seeds with several numbers of copies, one without any."""
    rng, copies = np.random.default_rng(3), [2, 0, 1, 3]
    values = [[1.0, 2.0], [], [5.0], [7.0, 8.0, 9.0]]
    drawn = sample_seeds(4, rng, 50)
    chosen = sample_copies(drawn, 3, rng)
    found = means([value for group in values for value in group], weights(copies, drawn, chosen))
    for at in range(50):
        seeds = [
            np.mean([values[seed][int(number * copies[seed])] for number in numbers[: copies[seed]]])
            for seed, numbers in zip(drawn[at], chosen[at], strict=True)
            if copies[seed]
        ]
        assert found[at] == pytest.approx(np.mean(seeds)) if seeds else np.isnan(found[at])


def test_many_numbers_are_drawn_in_parts() -> None:
    assert parts(15) == [RESAMPLES]
    assert sum(parts(10_000)) == RESAMPLES and max(parts(10_000)) * 10_000 <= AT_ONCE
    assert parts(10 * AT_ONCE) == [1] * RESAMPLES


@pytest.mark.parametrize("count", [1, 2, 3, 40, 1000])
def test_ends_are_those_of_numpy(count: int) -> None:
    rng = np.random.default_rng(count)
    for tail in (0.0, 2.5, 0.1, 16.0, 50.0):
        for values in (rng.normal(size=count), rng.integers(3, size=count) / 7):
            assert ends(values, tail) == pytest.approx(np.percentile(values, [tail, 100 - tail]), abs=1e-14)
