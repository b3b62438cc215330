"""The folders and files of a store."""

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from suite.records.cells import Trial
from suite.records.stores import layout
from tests.support.stores import record_of


def test_usual_labels_keep_their_folders() -> None:
    for label in ("rat_bptt", "random subset", "k-means (window=40)", "my.method"):
        assert layout.row_folder(label) == label
    assert layout.row_folder("external:mine") == "external-mine"


class TestListing:
    def test_a_folder_is_listed_again_only_after_a_change(
        self, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in layout.folders(copied / "records"):
            os.utime(folder, (1, 1))
        path = record_of(copied, "rat_bptt", Trial)
        listing, seen = layout.Listing(copied / "records", once=False), Mock(side_effect=layout.listed)
        monkeypatch.setattr(layout, "listed", seen)
        assert [listing.of(path.stem) for _ in range(10)] == [[path]] * 10 and seen.call_count == 2
        later = shutil.copy(path, path.with_stem(f"{path.stem}-0a"))
        assert listing.of(path.stem) == [path, later] and seen.call_count == 3
        path.unlink()
        assert listing.of(path.stem) == [later]
        shutil.rmtree(path.parent)
        assert listing.of(path.stem) == []


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


def test_files_below_a_folder_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.json", "a/z.json", "a/b/c.json", "a-b/d.json", ".hidden.json", "a/other.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(layout.below(tmp_path, ".json")) == sorted(tmp_path.glob("**/*.json"))
    assert list(layout.below(tmp_path / "none", ".json")) == []


def test_where_a_cell_is_written_alone_is_looked_at(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    listing, other = layout.Listing(copied / "records", once=False), path.with_stem(f"{path.stem}-0a")
    assert listing.of(path.stem, [other]) == [path]
    shutil.copy(path, other)
    elsewhere = shutil.copytree(path.parent, path.parent.with_name("by hand"))
    assert listing.of(path.stem, [other]) == [path, other]
    # Without a place all rows are looked at again.
    assert set(listing.of(path.stem)) == {path, other, *(elsewhere / each.name for each in (path, other))}
