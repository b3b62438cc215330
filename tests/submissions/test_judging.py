"""Honest claims are believed, forged ones are not."""

import numpy as np
import pytest

from suite.records.submission import Claim
from suite.submissions.judging import LEVEL, judge

SPREAD = 0.005


def claim(accuracy: float, copies: int = 5) -> Claim:
    return Claim(accuracy=accuracy, copies=copies, recipe="dsa-1000", network="convnet-d3-w128-in")


def refused(rng: np.random.Generator, more: float, networks: int, copies: int, runs: int = 2000) -> float:
    """Return the share of claims that are refused, whose mean is too high by `more`."""
    count = 0
    for _ in range(runs):
        own, verified = (rng.normal(0.7, SPREAD, size) for size in (copies, networks))
        count += bool(judge(claim(own.mean() + more, copies), verified.tolist()).reason)
    return count / runs


@pytest.mark.parametrize(("networks", "copies"), [(5, 5), (5, 1), (10, 5)])
def test_honest_claims_are_refused_in_one_percent_at_most(networks: int, copies: int) -> None:
    found = refused(np.random.default_rng(0), 0.0, networks, copies)
    assert 0 < found <= LEVEL + 2 * (LEVEL / 2000) ** 0.5


def test_forged_claims_are_refused() -> None:
    """Four deviations of one network, by five networks in nine of ten cases, by ten always."""
    assert refused(np.random.default_rng(0), 4 * SPREAD, 5, 5, 1000) > 0.9
    assert refused(np.random.default_rng(0), 4 * SPREAD, 10, 5, 1000) > 0.99


def test_the_reason_has_the_figures() -> None:
    verified = [0.60, 0.61, 0.62, 0.61, 0.61]
    assert not judge(claim(0.62), verified).reason and not judge(claim(0.3), verified).reason
    assert judge(claim(0.72), verified).reason == (
        "the claim of 72.0% is 11.0 points above the 61.0% that were measured, and chance explains at most "
        "1.7"
    )


def test_equal_accuracies_allow_for_rounding_only() -> None:
    assert not judge(claim(0.5004), [0.5] * 5).reason
    assert judge(claim(0.501), [0.5] * 5).reason


def test_few_networks_judge_nothing() -> None:
    with pytest.raises(ValueError, match="at least 5 networks, not 4"):
        judge(claim(0.5), [0.5] * 4)
