import math

import pytest

from suite.site.charts.drawing import scale


def test_accuracies_are_in_percent_and_within_the_axis() -> None:
    axis = scale.percents([0.187, 0.76, 0.874])
    assert axis.low < 0.187 and axis.high > 0.874
    assert [tick.text for tick in axis.ticks] == ["20", "40", "60", "80"]
    assert axis.share(0.6) - axis.share(0.4) == pytest.approx(axis.share(0.4) - axis.share(0.2))


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.0], [1.0], [math.nan, 0.4], [math.inf, 0.2]])
def test_any_accuracies_have_an_axis_with_ticks(values: list[float]) -> None:
    axis = scale.percents(values)
    assert axis.ticks and math.isfinite(axis.low) and axis.low < axis.high
    assert all(0 <= axis.share(value) <= 1 for value in scale.finite(values))


def test_accuracies_stay_between_0_and_100() -> None:
    axis = scale.percents([0.0, 1.0])
    assert (axis.low, axis.high) == (0, 1)


def test_equal_ratios_of_images_per_class_have_equal_lengths() -> None:
    axis = scale.sizes([1, 10, 100])
    assert axis.share(10) - axis.share(1) == pytest.approx(axis.share(100) - axis.share(10))
    assert [tick.text for tick in axis.ticks] == ["1", "10", "100"]


def test_crowded_sizes_lose_their_numbers_not_their_ends() -> None:
    found = [tick.text for tick in scale.sizes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000]).ticks]
    assert found[0] == "1" and found[-1] == "1000" and "9" not in found


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.003, 500.0], ["≤ 1 s", "3 s", "10 s", "30 s", "3 min", "10 min"]),
        ([123.5, 417.3], ["2 min", "4 min", "6 min"]),
        ([60.0, 500_000.0], ["1 min", "10 min", "1 h", "10 h", "3 d"]),
        ([75.0], ["1 min", "1.5 min", "2 min"]),
    ],
)
def test_times_have_ticks_in_round_units(values: list[float], ticks: list[str]) -> None:
    assert [tick.text for tick in scale.durations(values).ticks] == ticks


def test_times_below_a_second_stand_together() -> None:
    axis = scale.durations([0.001, 0.5, 100])
    assert axis.share(0.001) == axis.share(0.5) < axis.share(2)


def test_stored_bytes_are_logarithmic_only_if_they_differ_much() -> None:
    assert not scale.stored([30_784, 31_760]).logarithmic
    assert scale.stored([31_360, 313_600]).logarithmic
    assert [tick.text for tick in scale.stored([31_360, 313_600]).ticks] == ["30 kB", "100 kB", "300 kB"]


def test_time_since_a_start_begins_at_0() -> None:
    assert [tick.text for tick in scale.elapsed([90 * 60.0]).ticks][:2] == ["0 min", "20 min"]
    assert next(tick.text for tick in scale.elapsed([]).ticks) == "0 s"
    assert scale.steps([600]).share(0) == 0
