"""Options that several commands share."""

import os
from pathlib import Path

import pytest

from suite.cli.options import set_data, writable


def test_a_data_folder_is_that_of_children_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    set_data(Path("mine"))
    assert os.environ["RATBENCH_DATA"] == str(tmp_path / "mine")


def test_without_one_nothing_changes() -> None:
    before = os.environ["RATBENCH_DATA"]
    set_data(None)
    assert os.environ["RATBENCH_DATA"] == before


def test_a_file_that_can_be_written_has_its_folder(tmp_path: Path) -> None:
    assert writable(tmp_path / "a/b/board.md") == tmp_path / "a/b/board.md" and (tmp_path / "a/b").is_dir()
    assert list((tmp_path / "a/b").iterdir()) == []


def test_what_cannot_be_written_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file/x.md cannot be written: Not a directory; choose"):
        writable(tmp_path / "file" / "x.md")
    with pytest.raises(ValueError, match="cannot be written: Is a directory; choose another --output"):
        writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="file cannot be written: Permission denied; choose"):
        writable(tmp_path / "file")
