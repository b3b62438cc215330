"""What docs/stores.md says of faults drawn at random is what was measured."""

from pathlib import Path

from tests.support.chaos import table

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_measurements() -> None:
    """`python -m tests.support.chaos.table` prints it."""
    assert "\n".join(["<!-- chaos -->", "", *table.text(), ""]) in (ROOT / "docs" / "stores.md").read_text()


def test_nothing_was_lost_repeated_or_wrong() -> None:
    found = table.totals()
    assert found["faults"] >= 500
    for name in ("problems", "lost", "finished and done again", "wrong"):
        assert found[name] == 0, name
