"""Releases on disk: their names, their order, and whether they are as they were released."""

import json
from pathlib import Path

import pytest

from suite.board.releases.frozen import before, digest, number, problems, read


def frozen(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    files = {
        "MANIFEST.json": json.dumps({"release": name}),
        "leaderboard.json": json.dumps({"rows": [{"a": 1}]}),
    }
    for own, text in files.items():
        (path / own).write_text(text)
    sums = "".join(f"{digest(text.encode())}  {own}\n" for own, text in files.items())
    (path / "SHA256SUMS").write_text(sums)
    return path


def test_names_are_year_and_month() -> None:
    assert number("2026.12") == (2026, 12) and number("2026.12.3") == (2026, 12, 3)
    for name in (
        "2026",
        "2026.13",
        "2026.1",
        "26.12",
        "2026.12.0",
        "2026.12/..",
        "v2026.12",
        "",
        "2026.12\n",
    ):
        with pytest.raises(ValueError, match="is not the name of a release; give year and month: 2026"):
            number(name)


def test_the_one_before_is_the_last_by_its_number(tmp_path: Path) -> None:
    assert before(tmp_path / "none", "2026.12") is None
    for name in ("2025.12", "2026.02", "2026.02.2", "2026.02.10", "2027.01"):
        frozen(tmp_path, name)
    (tmp_path / "notes").mkdir()
    found = before(tmp_path, "2026.12")
    assert found == tmp_path / "2026.02.10" and read(found).rows == [{"a": 1}]
    assert before(tmp_path, "2025.12") is None
    (found / "leaderboard.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"previous release .*2026\.02\.10 is damaged: leaderboard\.json was"
    ):
        before(tmp_path, "2026.12")


def test_any_change_is_found(tmp_path: Path) -> None:
    path = frozen(tmp_path, "2026.12")
    assert problems(path) == []
    (path / "SHA256SUMS.sig").write_text("who vouches for it signed its checksums")
    assert problems(path) == []
    (path / "leaderboard.json").write_text("{}")
    (path / "new.md").write_text("")
    assert problems(path) == ["new.md was added", "leaderboard.json was changed"]
    (path / "leaderboard.json").unlink()
    assert "leaderboard.json is missing" in problems(path)
    path.rename(tmp_path / "2027.01")
    assert "MANIFEST.json is that of release '2026.12'" in problems(tmp_path / "2027.01")


def test_a_list_of_checksums_that_leaves_files_out_is_found(tmp_path: Path) -> None:
    path = frozen(tmp_path, "2026.12")
    (path / "SHA256SUMS").write_text("0 ../../etc/passwd\n")
    assert problems(path) == [
        "SHA256SUMS has lines that are not checksums",
        "MANIFEST.json is missing in SHA256SUMS",
        "leaderboard.json is missing in SHA256SUMS",
        "MANIFEST.json was added",
        "leaderboard.json was added",
    ]


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "\udcff"])
def test_other_folders_are_none(content: str | None, tmp_path: Path) -> None:
    path = frozen(tmp_path, "2026.12")
    if content is None:
        (path / "SHA256SUMS").unlink()
    else:
        (path / "MANIFEST.json").write_bytes(content.encode(errors="surrogateescape"))
    for folder in (path, tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="is not a release: it has no readable"):
            problems(folder)


@pytest.mark.parametrize("rows", ["[]", '{"rows": 3}', '{"rows": [1]}', "x"])
def test_rows_of_another_program_are_refused(rows: str, tmp_path: Path) -> None:
    path = frozen(tmp_path, "2026.12")
    (path / "leaderboard.json").write_text(rows)
    with pytest.raises(ValueError, match="is not that of a release"):
        read(path)
