"""What a site is made from."""

from pathlib import Path

import pytest

from suite.board import files
from suite.site import source
from tests.support.board_records import SMALL, save


def test_the_board_is_that_of_the_leaderboard(tmp_path: Path) -> None:
    save(SMALL, tmp_path)
    found = source.load([tmp_path])
    assert found.board == files.load([tmp_path]) and len(found.board.cells.records) == len(SMALL)
    assert found.stores == (tmp_path,)


def test_no_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        source.load([tmp_path])


def test_a_store_of_very_many_records_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(SMALL, tmp_path)
    monkeypatch.setattr(source, "MOST_RECORDS", len(SMALL))
    assert source.load([tmp_path]).board.cells.records
    (tmp_path / "failures").mkdir()
    (tmp_path / "failures" / "one.json").write_text("{")
    with pytest.raises(ValueError, match=f"more than {len(SMALL)} records, the limit of a site; name fewer"):
        source.load([tmp_path])
