"""Files are read once, and again after a change."""

import os
from pathlib import Path

import pytest

from suite.records.upkeep.known import FILE, Known


class Find:
    """Counts how often a file is read."""

    count = 0

    def __call__(self, content: bytes) -> str:
        self.count += 1
        return content.decode()


def test_a_file_is_read_once_also_by_the_next_process(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    find = Find()
    for _ in range(2):
        known = Known(tmp_path)
        assert known.of(tmp_path / "a", find) == known.of(tmp_path / "a", find) == "first"
        known.save()
    assert find.count == 1


@pytest.mark.parametrize("when", [0, 10**9, 2**33])
def test_a_change_is_seen_whatever_time_a_file_is_given(when: int, tmp_path: Path) -> None:
    path, find, known = tmp_path / "a", Find(), Known(tmp_path)
    path.write_text("first")
    os.utime(path, (when, when))
    known.of(path, find)
    with path.open("r+") as file:  # the same size, and the same time of change of its content
        file.write("First")
    os.utime(path, (when, when))
    assert known.of(path, find) == "First" and find.count == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"a": 3}', '{"a": ["x"]}', '{"a": [[], 1, 2]}'])
def test_a_damaged_memory_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    (tmp_path / FILE).write_text(text)
    assert Known(tmp_path).of(tmp_path / "a", Find()) == "first"


def test_what_is_not_there_is_not_remembered(tmp_path: Path) -> None:
    known = Known(tmp_path)
    with pytest.raises(FileNotFoundError):
        known.of(tmp_path / "a", Find())
    (tmp_path / "a").write_text("now")
    assert known.of(tmp_path / "a", Find()) == "now"
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError):
        known.of(tmp_path / "a", Find())


def test_a_folder_that_takes_no_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    (tmp_path / FILE).mkdir()
    known = Known(tmp_path)
    assert known.of(tmp_path / "a", Find()) == "first"
    known.save()


def test_once_a_file_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    known, find = Known(tmp_path, once=True), Find()
    assert known.of(tmp_path / "a", find) == "first"
    (tmp_path / "a").write_text("another")
    assert known.of(tmp_path / "a", find) == "first" and find.count == 1
    assert Known(tmp_path, once=True).of(tmp_path / "a", find) == "another"
