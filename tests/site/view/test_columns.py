"""Columns of the leaderboard."""

from suite.site.view.columns import Column, leaderboard


def test_keys_and_fields_are_unique() -> None:
    columns = leaderboard([Column("ior", "IOR", "A score.", "percent", ("ior",))])
    keys, fields = [column.key for column in columns], [each for column in columns for each in column.fields]
    assert len({*keys}) == len(keys) and len({*fields}) == len(fields) and "ior" in keys
    assert all(column.help.endswith(".") and column.fields for column in columns)


def test_text_stands_left() -> None:
    left = {column.key for column in leaderboard([]) if column.left}
    assert left == {"method", "device", "labels", "standing", "signers", "state", "sets", "notes"}
