"""An index answers as a store does."""

from pathlib import Path

from suite.records.store import Store
from suite.records.stores.index import Index
from tests.support.board_records import trial


def test_it_answers_as_a_store_with_the_same_records(tmp_path: Path) -> None:
    records = [
        trial("dm", data="a" * 64),
        trial("dm", data="b" * 64),
        trial("dc", status="diverged"),
        trial("dsa", status="failed"),
    ]
    store = Store.create(tmp_path)
    for record in records:
        store.write(record)
    index = Index(records)
    for cell in {record.cell.id for record in records}:
        assert [each.data for each in index.records(cell)] == [each.data for each in store.records(cell)]
        for data in ("", "a" * 64, "b" * 64, "c" * 64):
            mine, theirs = index.record(cell, data), store.record(cell, data)
            assert (mine and mine.data) == (theirs and theirs.data)
    assert index.record(records[-1].cell.id) is None
