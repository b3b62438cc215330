"""What a declared score says of a name."""

from typing import Any

import pytest

from suite.core.scores import Score


def test_a_family_has_a_column_for_each_part_and_none_for_its_details() -> None:
    family = Score("accuracy/*", "under {}")
    for name in ("accuracy/noise", "accuracy/noise/5"):
        assert family.matches(name)
        assert (family.column(name), family.heading(name)) == ("accuracy/noise", "under noise")
    assert family.family and not family.matches("accuracy")


def test_a_single_score_is_itself_alone() -> None:
    single = Score("accuracy", "home")
    assert single.matches("accuracy") and not single.matches("accuracy/noise")
    assert (single.column("accuracy"), single.heading("accuracy"), single.family) == (
        "accuracy",
        "home",
        False,
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"unit": "percents"}, "score 'x': unit 'percents' is none of percent, points"),
        ({"better": "smaller"}, "score 'x': better 'smaller' is none of higher, lower"),
    ],
)
def test_a_score_of_unknown_kind_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Score("x", "x", **setting)
