"""A site as a whole."""

from pathlib import Path

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
