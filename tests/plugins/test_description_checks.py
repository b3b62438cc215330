"""What methods and evaluators share in how they describe themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from suite.plugins.description_checks import described, misnamed


@dataclass(frozen=True)
class Good:
    """Counts.

    In whole numbers.
    """

    count: int = 1
    sizes: tuple[int, ...] = ()

    title = "Counting"
    paper = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count {self.count} must be at least 1")


@dataclass
class Thawed:
    """Can change."""


@dataclass(frozen=True)
class Silent:
    count: int = 1


class Plain:
    """No dataclass."""


@dataclass(frozen=True)
class Long(Good):
    """Has a title of two lines."""

    title = "Counting\nslowly"


@dataclass(frozen=True)
class Numbered(Good):
    """Has a number as its title."""

    title = 3  # type: ignore[assignment]


@dataclass(frozen=True)
class Listed(Good):
    """Turns into something else in JSON."""

    anything: Any = (1, 2)


@pytest.mark.parametrize(
    ("cls", "problem"),
    [
        (Good, ""),
        (Thawed, "decorate Thawed with @dataclass(frozen=True)"),
        (Plain, "decorate Plain with @dataclass(frozen=True)"),
        (Silent, "give Silent a docstring; lists show its first line"),
        (Long, "title is 'Counting\\nslowly'; give one line of text"),
        (Numbered, "title is 3; give one line of text"),
    ],
)
def test_a_class_describes_itself(cls: type, problem: str) -> None:
    assert described(cls, []) == problem


def test_missing_members_are_named() -> None:
    assert described(Good, ["title", "paper"]) == ""
    assert described(Good, ["recipe", "title", "ordered"]).startswith("define recipe, ordered; ")
    assert described(Good, ["recipe"], "a.Base").startswith("define recipe, or inherit a.Base; ")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"count": 2}, ""),
        ({"sizes": [1, 2]}, ""),
        ({"cuont": 2}, "smoke: unknown key 'cuont'; did you mean 'count'?"),
        ({"count": 0}, "smoke: count 0 must be at least 1"),
    ],
)
def test_settings_are_checked_as_a_grids_are(values: Mapping[str, Any], problem: str) -> None:
    assert misnamed(Good, {"defaults": {}, "smoke": values}) == problem


def test_settings_survive_json() -> None:
    assert "the defaults: the settings differ after a round trip through JSON" in misnamed(
        Listed, {"the defaults": {}}
    )
