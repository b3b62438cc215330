"""Files of a site in a folder that may hold others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.site.output import CONTENTS, check, write
from suite.site.rendering import File

INDEX = File("index.html", b"new")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_files_that_a_site_no_longer_has_are_removed(tmp_path: Path) -> None:
    write([File("methods/dm.html", b""), File("methods/dc.html", b""), INDEX], tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    write([File("sets/0.html", b""), INDEX], tmp_path)
    assert files(tmp_path) == {"index.html", "sets/0.html", CONTENTS, "mine.txt"}
    assert not (tmp_path / "methods").exists()


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    for refuse in (check, lambda folder: write([INDEX], folder)):
        with pytest.raises(ValueError, match=r"has files of something else, such as index.html"):
            refuse(tmp_path)
    assert files(tmp_path) == {"index.html"} and (tmp_path / "index.html").read_text() == "mine"


def test_a_branch_of_pages_may_be_written(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("CNAME", ".nojekyll"):
        (tmp_path / name).write_text("")
    write([INDEX], tmp_path)
    assert files(tmp_path) == {"CNAME", ".nojekyll", "index.html", CONTENTS}


@pytest.mark.parametrize("text", ["[]", "{", '{"files": 3}', '"files"', "\x00"])
def test_a_list_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONTENTS).write_text(text)
    with pytest.raises(ValueError, match="does not list the files of a site; name another --output"):
        check(tmp_path)


@pytest.mark.parametrize("name", ["../mine.txt", "..", ".", "", "sub", "nowhere/../../mine.txt"])
def test_a_forged_list_removes_nothing_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "kept.txt").write_text("")
    (tmp_path / "mine.txt").write_text("mine")
    (folder / CONTENTS).write_text(f'{{"files": ["{name}", "{tmp_path}/mine.txt"]}}')
    write([INDEX], folder)
    assert (tmp_path / "mine.txt").read_text() == "mine" and (folder / "sub" / "kept.txt").is_file()


def test_an_interrupted_site_keeps_its_pages_whole(tmp_path: Path) -> None:
    write([File("a.html", b"old"), File("b.html", b"old"), File("index.html", b"old")], tmp_path)

    def stopped() -> Iterator[File]:
        yield File("a.html", b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(stopped(), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in ("a.html", "b.html", "index.html")} == {
        "a.html": b"new",
        "b.html": b"old",
        "index.html": b"old",
    }
    write([INDEX], tmp_path)
    assert files(tmp_path) == {"index.html", CONTENTS}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"cannot be written: Not a directory; name"):
            check(folder)


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    check(tmp_path / "new" / "site")
    assert not list(tmp_path.iterdir())


def test_a_name_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / CONTENTS).write_text('{"files": []}')
    (tmp_path / "index.html").mkdir()
    with pytest.raises(ValueError, match=r"index.html cannot be written: Is a directory"):
        write([INDEX], tmp_path)
