"""The budgets of a grid."""

from typing import Any

import pytest
from pydantic import ValidationError

from suite.experiments.tables.budget import BudgetTable


def budgets(**values: Any) -> list[float]:
    return BudgetTable.model_validate(values).all


def test_further_moments_lie_evenly_on_a_log_scale() -> None:
    assert budgets(device_seconds=[10, 100]) == [10, 100]
    assert budgets(device_seconds=[10.0, 100, 1000], moments=2) == [10, 32, 100, 320, 1000]
    assert budgets(device_seconds=[10, 100, 600], moments=1) == [10, 77, 100, 600]
    assert budgets(device_seconds=[5], moments=3) == [5]
    assert budgets(device_seconds=[1.26, 1.29], moments=100) == [1.26, 1.29], "not 1.3, after the last"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least 1 item"),
        ([10, 10], "write each budget once, the smallest first"),
        ([100, 10], "write each budget once, the smallest first"),
        ([0], "greater than 0"),
        ([float("inf")], "finite number"),
        (["10"], "valid number"),
        (10, "valid list"),
    ],
)
def test_budgets_that_cannot_be_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        budgets(device_seconds=values)
