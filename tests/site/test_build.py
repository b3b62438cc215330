"""A site as a whole."""

from pathlib import Path

import pytest

from suite.site.build import build
from tests.support.board_records import SMALL, save


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    save(SMALL, tmp_path / "store")
    for name in ("first", "second"):
        build([tmp_path / "store"], tmp_path / name)
    assert content(tmp_path / "first") == content(tmp_path / "second")
    assert {"index.html", "static/site.css", "methods/rat_bptt.html"} <= content(tmp_path / "first").keys()


def test_without_a_store_no_folder_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        build([tmp_path / "none"], tmp_path / "site")
    assert not (tmp_path / "site").exists()
