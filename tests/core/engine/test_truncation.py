"""Where windows are placed in an unroll."""

from collections import Counter

import pytest

from suite.core.engine.truncation import TruncationSchedule, Window, check_truncation, place_window
from suite.core.seeding import generator


def placed(schedule: TruncationSchedule, times: int = 500) -> Counter[tuple[int, int]]:
    rng = generator(0, "window")
    windows = [place_window(schedule, unroll=6, window=4, rng=rng) for _ in range(times)]
    return Counter((window.before, window.length) for window in windows)


def test_random_windows_start_anywhere_both_ends_included() -> None:
    found = placed("random")
    assert set(found) == {(0, 4), (1, 4), (2, 4)}
    assert min(found.values()) > 500 / 3 * 0.8


def test_a_fixed_window_is_the_last_steps() -> None:
    assert set(placed("fixed")) == {(2, 4)}


def test_the_full_unroll_is_one_window() -> None:
    assert set(placed("full")) == {(0, 6)}


def test_random_lengths_start_at_the_first_step() -> None:
    found = placed("random-length")
    assert set(found) == {(0, length) for length in range(1, 7)}
    assert min(found.values()) > 500 / 6 * 0.7


def test_a_window_longer_than_the_unroll_is_refused() -> None:
    with pytest.raises(
        ValueError, match="window 60 is longer than the unroll 40; lower window or raise unroll"
    ):
        check_truncation("random", 40, 60)
    check_truncation("full", 40, 60)  # there the window plays no part
    check_truncation("random-length", 40, 60)
    with pytest.raises(ValueError, match="must be at least 1"):
        check_truncation("random", 40, 0)


@pytest.mark.parametrize(
    ("before", "length", "message"),
    [
        (-1, 2, "window before -1 must be at least 0"),
        (0, 0, "window length 0 must be at least 1"),
        (3, -1, "window length -1 must be at least 1"),
    ],
)
def test_a_window_outside_the_unroll_or_without_steps_is_refused(
    before: int, length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Window(before, length)
