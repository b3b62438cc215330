"""What docs/stores.md says of faults drawn at random is what was measured."""

from tests.support.chaos import table


def test_the_table_is_the_measurements() -> None:
    """`python -m tests.support.chaos.table` writes it."""
    page = table.PAGE.read_text()
    assert page == table.with_table(page)


def test_nothing_was_lost_repeated_or_wrong() -> None:
    found = table.totals()
    assert found["faults"] >= 1000
    for name in ("problems", "lost", "finished and done again", "wrong"):
        assert found[name] == 0, name
