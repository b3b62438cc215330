"""The folders and files of a store."""

from pathlib import Path

from suite.records.cells import Trial
from suite.records.stores import layout
from tests.support.stores import record_of


def test_usual_labels_keep_their_folders() -> None:
    for label in ("rat_bptt", "random subset", "k-means (window=40)", "my.method"):
        assert layout.row_folder(label) == label
    assert layout.row_folder("external:mine") == "external-mine"


class TestFiles:
    def test_records_are_listed_in_order(self, copied: Path) -> None:
        found = list(layout.files(copied / "records"))
        assert found == sorted(copied.glob("records/*/*/*.json")) and len(found) == 4

    def test_what_is_no_record_is_left_out(self, copied: Path) -> None:
        row = record_of(copied, "rat_bptt", Trial).parent
        (row / ".partial-1.json").touch()
        (row / "a.txt").touch()
        (row / "folder.json").mkdir()
        (copied / "records" / "file.json").touch()
        assert len(list(layout.files(copied / "records"))) == 4
        assert list(layout.files(copied / "none")) == []

    def test_rows_of_one_name(self, copied: Path) -> None:
        assert [path.name for path in layout.folders(copied / "records", "rat_bptt")] == ["rat_bptt"]
        assert len(list(layout.folders(copied / "records"))) == 2
        assert list(layout.folders(copied / "records", "../rat_bptt")) == []
