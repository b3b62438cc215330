"""A folder that sets aside what is damaged."""

from pathlib import Path

import pytest

from suite.records.upkeep.folder import QUARANTINE, Folder
from tests.support import disks


def test_what_is_set_aside_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for text in ("first", "second"):
        (tmp_path / "a.json").write_text(text)
        with pytest.warns(UserWarning, match=r"a\.json is odd; moved to .*, its cell will run again"):
            folder.set_aside(tmp_path / "a.json", "is odd")
    (tmp_path / QUARANTINE / "0000-a.json").unlink()
    (tmp_path / "a.json").write_text("third")
    with pytest.warns(UserWarning, match="moved to"):
        folder.set_aside(tmp_path / "a.json", "is odd")
    assert {path.name: path.read_text() for path in (tmp_path / QUARANTINE).iterdir()} == {
        "0000-a.json": "third",
        "0001-a.json": "second",
    }


def test_a_reader_moves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    with pytest.warns(UserWarning, match="is odd; its cell will run again"):
        Folder(tmp_path, read_only=True).set_aside(tmp_path / "a.json", "is odd")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_another_process_set_aside_is_no_fault(tmp_path: Path) -> None:
    Folder(tmp_path).set_aside(tmp_path / "gone", "is odd")


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("damage", disks.DAMAGES[4:], ids=lambda damage: damage.__name__)
def test_what_is_no_file_makes_room_for_one(damage: disks.Damage, replace: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    damage(path)
    with pytest.warns(UserWarning, match="file is not a file; moved to .*, a file is written in its place"):
        assert Folder(tmp_path).put(path, b"content", replace=replace)
    assert path.read_bytes() == b"content" and len(list((tmp_path / QUARANTINE).iterdir())) == 1
