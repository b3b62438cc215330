"""Limits are told by the name, the value and the bound; what is not given has none."""

from dataclasses import dataclass

import pytest

from suite.core.limits import above_zero, at_least_one, not_negative


@dataclass(frozen=True)
class Settings:
    count: int | None = 1
    rate: float = 0.1


def test_what_keeps_its_limit_passes() -> None:
    at_least_one(Settings(), "count")
    at_least_one(Settings(count=None), "count")
    above_zero(Settings(), "count", "rate")
    not_negative(Settings(rate=0.0), "rate")


def test_what_does_not_is_named() -> None:
    with pytest.raises(ValueError, match=r"^count 0 must be at least 1$"):
        at_least_one(Settings(count=0), "count")
    with pytest.raises(ValueError, match=r"^rate 0\.0 must be larger than 0$"):
        above_zero(Settings(rate=0.0), "count", "rate")
    with pytest.raises(ValueError, match=r"^rate -0\.1 must not be negative$"):
        not_negative(Settings(rate=-0.1), "rate")
