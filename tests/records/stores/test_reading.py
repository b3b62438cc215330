"""Whole stores are read file by file, and what is no store or no record is named."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from suite.records.cells import Trial
from suite.records.store import Store
from suite.records.stores import reading
from tests.support.stores import change, record_of


class TestOpened:
    def test_a_store_is_opened(self, copied: Path) -> None:
        assert reading.opened(copied).path == copied

    def test_a_folder_of_records_alone_is_one(self, copied: Path) -> None:
        (copied / "store.json").unlink()
        assert reading.opened(copied).path == copied

    def test_what_is_no_store_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="does not exist"):
            reading.opened(tmp_path / "none")
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="is a file, not a store"):
            reading.opened(tmp_path / "file")
        with pytest.raises(ValueError, match="it has no records"):
            reading.opened(tmp_path)

    def test_another_protocol_is_refused(self, copied: Path) -> None:
        (copied / "store.json").write_text('{"protocol": 1}')
        with pytest.raises(ValueError, match="ratbench migrate"):
            reading.opened(copied)


class TestChecked:
    def test_a_record_is_returned(self, copied: Path) -> None:
        assert reading.checked(record_of(copied, "rat_bptt", Trial)).label == "rat_bptt"

    @pytest.mark.parametrize(
        ("before", "after", "reason"),
        [
            ('"status": "done"', '"status": "oom"', "does not match its sha256"),
            ('"protocol": 2', '"protocol": 7', "does not match its sha256"),
            ('"sha256": "', '"sha256": "", "x": "', "x"),
            ("{", "[", "Invalid JSON"),
        ],
    )
    def test_a_damaged_one_is_refused(self, copied: Path, before: str, after: str, reason: str) -> None:
        path = record_of(copied, "rat_bptt", Trial)
        path.write_text(path.read_text().replace(before, after, 1))
        with pytest.raises(ValidationError) as error:
            reading.checked(path)
        assert reason in reading.reason(error.value) or reason in str(error.value)

    def test_a_record_of_another_protocol(self, copied: Path) -> None:
        path = record_of(copied, "rat_bptt", Trial)
        change(path, protocol=7)
        with pytest.raises(ValueError, match="protocol 7; use the release"):
            reading.checked(path)

    def test_a_record_under_the_name_of_another(self, copied: Path) -> None:
        path = record_of(copied, "rat_bptt", Trial)
        with pytest.raises(ValueError, match="another cell"):
            reading.checked(path.rename(path.with_name(f"{'0' * 64}.json")))


def test_the_records_of_a_store_or_a_row(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    path.write_text("{")
    with pytest.warns(UserWarning, match=f"{path}: skipped"):
        found = list(reading.records(Store(copied)))
    assert len(found) == 3 and path.is_file()
    with pytest.warns(UserWarning, match="skipped"):
        assert [each.label for each in reading.records(Store(copied), "rat_bptt")] == ["rat_bptt"]
