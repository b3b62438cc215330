"""The hierarchical bootstrap, by hand."""

import numpy as np
import pytest

from suite.board.statistics.resampling import means, sample_copies, sample_seeds, weights


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
