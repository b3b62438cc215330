"""One `--set`."""

from typing import Any

import pytest

from suite.experiments.tables.setting import apply, toml_value


def table() -> dict[str, Any]:
    return {"ipc": [1], "method": {"dm": {"steps": 5, "where": [{"ipc": 1, "steps": 3, "lr": 0.1}]}}}


def test_it_replaces_a_value_and_those_of_exceptions() -> None:
    found = table()
    apply(found, "method.dm.steps = 7")
    apply(found, "ipc=[1, 10]")
    assert found == {
        "ipc": [1, 10],
        "method": {"dm": {"steps": 7, "where": [{"ipc": 1, "lr": 0.1}]}},
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [("steps", "write key.key=value"), ("methd.dm.steps=1", "unknown key 'methd'; did you mean 'method'")],
)
def test_a_wrong_one_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply(table(), setting)


def test_values_are_toml_or_text() -> None:
    assert [toml_value(text) for text in ("1", "[1, 2]", "true", " real ")] == [1, [1, 2], True, "real"]
