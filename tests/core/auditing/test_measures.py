"""Measures of predictions on numbers worked out by hand."""

import pytest
import torch

from suite.core.auditing.measures import auc, calibration_error, worst_class
from suite.core.seeding import generator


def test_the_worst_class_is_that_of_the_lowest_accuracy_and_has_images() -> None:
    labels = torch.tensor([0, 0, 0, 2, 2])
    right = torch.tensor([True, False, True, True, False])
    assert worst_class(right, labels, 3) == pytest.approx(1 / 2)
    assert worst_class(right[:3], labels[:3], 3) == pytest.approx(2 / 3)


def test_the_calibration_error_is_the_mean_gap_over_bins() -> None:
    # Two images at confidence 0.9, one of them right; one at 0.6, right; one that is sure, and right.
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]]).double()
    labels = torch.tensor([0, 1, 0, 1])
    by_hand = (abs(1 - 2 * 0.9) + abs(1 - 0.6) + 0) / 4
    assert calibration_error(probabilities, labels, 15) == pytest.approx(by_hand)
    # In one bin the gaps cancel: three are right, and the sum of confidences is 3.4.
    assert calibration_error(probabilities, labels, 1) == pytest.approx(0.4 / 4)


def test_an_auc_counts_pairs_and_half_of_equal_ones() -> None:
    members, others = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0, 0.0])
    # 3 is above all three; 1 equals one and is above one.
    assert auc(members, others) == pytest.approx((3 + 1.5) / 6)
    assert auc(others, members) == pytest.approx(1 - (3 + 1.5) / 6)
    assert auc(members, members) == 0.5


def test_an_auc_of_equal_distributions_is_a_half() -> None:
    drawn = torch.randn(2, 4000, generator=generator(0))
    assert auc(*drawn) == pytest.approx(0.5, abs=0.02)
