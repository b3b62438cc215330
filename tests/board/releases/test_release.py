"""`ratbench release`: a frozen board, its checksums, and what changed since the last one."""

import csv
import json
import subprocess
from pathlib import Path

import pytest

from suite.board import files
from suite.board.releases.release import Made, release
from suite.records.record import Record
from tests.support.board_records import pair, save, trial
from tests.support.command_line import ratbench, refused

MADE = Made("0.2.0", "abc1234", "# Atlas\n")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    save(records(), tmp_path / "board")
    return tmp_path / "board"


def records() -> list[Record]:
    found = [*pair("dm", (0.5, 0.51), (0.52, 0.5)), *pair("dc", (0.4, 0.41), (0.42, 0.4))]
    return [each.sealed() for each in found]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_freezes_the_board_with_its_records(board: Path, tmp_path: Path) -> None:
    made = release("2026.12", [board], tmp_path / "releases", MADE)
    assert made == tmp_path / "releases/2026.12"
    found = contents(made)
    for ending in ("md", "csv", "json"):
        assert found[f"leaderboard.{ending}"].decode() == files.render(files.load([board]), ending)
    assert found["atlas.md"] == b"# Atlas\n" and b"The first release" in found["changes.md"]
    listed = list(csv.DictReader(found["records.csv"].decode().splitlines()))
    assert sorted(each["sha256"] for each in listed) == sorted(each.sha256 for each in records())
    manifest = json.loads(found["MANIFEST.json"])
    assert manifest["records"] == 8 and manifest["before"] is None and manifest["recipes"] == ["dsa-1000"]
    assert (manifest["protocol"], manifest["version"], manifest["commit"]) == (2, "0.2.0", "abc1234")
    checked = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=made, capture_output=True, text=True
    )
    assert checked.returncode == 0 and checked.stdout.count(": OK") == len(found) - 1


def test_the_same_records_give_the_same_bytes(board: Path, tmp_path: Path) -> None:
    """Also from a copy elsewhere, written in another order, and from two stores that have them both."""
    save(records()[::-1], tmp_path / "copy")
    first = release("2026.12", [board], tmp_path / "one", MADE)
    for folder, stores in (("two", [tmp_path / "copy"]), ("three", [tmp_path / "copy", board])):
        assert contents(release("2026.12", stores, tmp_path / folder, MADE)) == contents(first)


def test_nothing_is_overwritten(board: Path, tmp_path: Path) -> None:
    made = release("2026.12", [board], tmp_path, MADE)
    before = contents(made)
    for name, other in (("2026.12", "2026.12.1"),):
        with pytest.raises(
            ValueError, match=f"a release never changes; choose another name, such as {other}"
        ):
            release(name, [board], tmp_path, MADE)
    assert contents(made) == before
    assert release("2026.12.1", [board], tmp_path, MADE).name == "2026.12.1"
    with pytest.raises(ValueError, match=r"such as 2026\.12\.2"):
        release("2026.12.1", [board], tmp_path, MADE)
    assert not list(tmp_path.glob(".partial*"))


def test_it_tells_what_changed_since_the_last_one(board: Path, tmp_path: Path) -> None:
    release("2026.06", [board], tmp_path / "releases", MADE)
    new = [
        *pair("dm", (0.3, 0.31), (0.32, 0.3)),
        *pair("mtt", (0.6, 0.61), (0.62, 0.6)),
        *pair("dc", (0.4, 0.41), (0.42, 0.4)),
    ]
    save([each.sealed() for each in new], tmp_path / "later")
    made = release("2026.12", [tmp_path / "later"], tmp_path / "releases", Made("0.3.0", "def", "# Atlas\n"))
    text = (made / "changes.md").read_text()
    assert "# Changes from 2026.06 to 2026.12" in text and "- version: `0.2.0` → `0.3.0`" in text
    assert "## New rows" in text and "`mtt`" in text and "Removed rows" not in text
    scores, ranks = text.split("## Scores")[1].split("## Ranks")
    assert "`dm`" in scores and "`dc`" not in scores and "`dm`" in ranks
    assert json.loads((made / "MANIFEST.json").read_text())["before"] == "2026.06"


def test_a_store_that_cannot_be_published_is_refused(board: Path, tmp_path: Path) -> None:
    """A damaged record, data of two kinds under one name, and nothing to show."""
    of = trial("mtt").model_copy(update={"data": "0a" * 32})
    known = [each.model_copy(update={"data": "0b" * 32}).sealed() for each in records()]
    save([*known, of.sealed()], tmp_path / "mixed")
    (tmp_path / "empty/records").mkdir(parents=True)
    (board / "records/x.json").write_text("{")
    for store, message in (
        ("board", r"a release needs undamaged stores .*/records/x\.json: skipped"),
        ("mixed", "the same data for each task: digits: records of 2 different data"),
        ("empty", "no records for a board; run a grid first"),
    ):
        with pytest.raises(ValueError, match=message):
            release("2026.12", [tmp_path / store], tmp_path / "releases", MADE)
    assert not (tmp_path / "releases").exists()


def test_the_command(board: Path, tmp_path: Path) -> None:
    made = ratbench("release", "2026.12", board, "--output", tmp_path / "releases")
    assert made.exit_code == 0, made.output
    folder = tmp_path / "releases/2026.12"
    assert f"wrote {folder}" in made.stdout and "Atlas" in (folder / "atlas.md").read_text()
    assert ratbench("release", "--check", folder).stdout == f"{folder} is as it was released\n"
    (folder / "atlas.md").write_text("x")
    changed = ratbench("release", "--check", folder)
    assert changed.exit_code == 1 and changed.stderr == f"{folder}: atlas.md was changed\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the release by its year and month, such as 2026.12, or use --check DIR"),
        (("results",), "'results' is not the name of a release"),
        (("2026.12", "no-store"), "no store at no-store"),
        (("--check", "no-release"), "no-release is not a release: it has no readable SHA256SUMS"),
        (("2026.12", "--check", "x"), "--check DIR takes neither a name nor stores"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], message: str, elsewhere: None) -> None:
    refused(ratbench("release", *words), message)
    assert not Path("results").exists()
