"""`run`, `status`, the board and `merge` agree which records count; conflicts are not decided in silence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite.board import files
from suite.records.cells import Evaluation
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout, reading
from tests.support.command_line import ratbench, refused
from tests.support.stores import change, record_of


def without_seal(path: Path) -> None:
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps(facts | {"sha256": ""}))


def of_another_protocol(path: Path) -> None:
    change(path, protocol=1)


def of_another_cell(path: Path) -> None:
    path.rename(path.with_name(f"{'0' * 64}.json"))


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace('"ipc": 1', '"ipc": 2'))


@pytest.mark.parametrize("change", [without_seal, of_another_protocol, of_another_cell, edited])
def test_a_record_that_does_not_count_counts_nowhere(
    change: Callable[[Path], None], copied: Path, tmp_path: Path, finished: tuple[Path, Path, Any]
) -> None:
    path = record_of(copied, "random_subset", Evaluation)
    cell = path.stem
    change(path)
    assert "3 done, 1 to do" in ratbench("run", finished[0], "--store", copied, "--dry-run").stdout
    status = json.loads(ratbench("status", copied, "--format", "json").stdout)
    assert (status["plans"][0]["done"], status["plans"][0]["waiting"]) == (3, 1)
    board = ratbench("leaderboard", copied, "--output", tmp_path / "board.md")
    assert board.exit_code == 0 and board.stderr.count(": skipped, ") == 1
    merged = ratbench("merge", copied, "--output", tmp_path / "merged")
    assert merged.exit_code == 1 and merged.stderr.count("left behind: ") == 1
    assert all(record.cell.id != cell for record in reading.records(Store(tmp_path / "merged")))
    result = ratbench("run", finished[0], "--store", copied, "--inline")
    assert result.exit_code == 0 and "3 done, 1 to do" in result.stdout
    assert Store(copied).record(cell) is not None


@pytest.fixture
def other(copied: Path, tmp_path: Path) -> Path:
    """A store that measured a cell otherwise."""
    store = Path(shutil.copytree(copied, tmp_path / "other"))
    change(record_of(store, "random_subset", Evaluation), scores={"accuracy": (0.99,)})
    return store


@pytest.mark.parametrize("seconds", [float(n) for n in range(4)])
def test_of_two_results_of_a_cell_the_first_stores_counts_and_that_is_said(
    seconds: float, copied: Path, other: Path
) -> None:
    """Whatever their sha256 are, which a forger may choose."""
    path = record_of(other, "random_subset", Evaluation)
    changed, own = change(path, seconds=seconds), record_of(copied, "random_subset", Evaluation)
    for stores, counts, left in (([copied, other], own, path), ([other, copied], path, own)):
        found = files.read(stores)
        records = [record for record in found.records if record.cell.id == changed.cell.id]
        assert records == [reading.checked(counts)]
        (said,) = found.warnings
        assert said == f"{left}: skipped, {counts} has another result of the same cell, and comes first"


def test_equal_records_are_no_conflict(copied: Path, tmp_path: Path) -> None:
    same = Path(shutil.copytree(copied, tmp_path / "same"))
    found = files.read([copied, same])
    assert found.warnings == () and len(found.records) == 4


def test_a_conflict_is_neither_released_nor_merged_in_silence(
    copied: Path, other: Path, tmp_path: Path
) -> None:
    words = ("release", "2026.12", copied, other, "--output", tmp_path / "releases")
    result = ratbench(*words)
    assert result.exit_code == 2 and not (tmp_path / "releases").exists()
    assert (
        "a release needs undamaged stores" in result.stderr and "another result of the same" in result.stderr
    )
    refused(ratbench("merge", copied, other, "--output", tmp_path / "merged"), "1 conflict")
    assert ratbench("merge", copied, other, "--output", tmp_path / "merged", "--keep", "first").exit_code == 0
    cell = record_of(copied, "random_subset", Evaluation).stem
    kept = Store(tmp_path / "merged").record(cell)
    assert kept == Store(copied).record(cell)


def test_an_evaluation_of_another_set_is_not_on_the_board_and_runs_again(
    copied: Path, tmp_path: Path, finished: tuple[Path, Path, Any]
) -> None:
    path = record_of(copied, "random_subset", Evaluation)
    change(path, artefact="0" * 64, scores={"accuracy": (0.99,)})
    board = ratbench("leaderboard", copied, "--output", tmp_path / "board.md")
    assert "it scored another set than the one that trial" in board.stderr
    assert "99.0" not in (tmp_path / "board.md").read_text()
    result = ratbench("run", finished[0], "--store", copied, "--inline")
    assert "3 done, 1 to do" in result.stdout and "moved to" in result.stderr
    assert reading.checked(path).artefact != "0" * 64


def test_the_folders_times_do_not_matter(copied: Path) -> None:
    """A clock that jumps gives folders odd times: what is written later is found all the same."""
    store, rows = Store(copied), list(layout.folders(copied / "records"))
    path = record_of(copied, "random_subset", Evaluation)
    content, cell = path.read_bytes(), path.stem
    for when in (0, 10**9, 2**33):
        path.unlink()
        for row in rows:
            os.utime(row, (when, when))
        assert store.record(cell) is None
        path.write_bytes(content)
        assert store.record(cell) == Record.model_validate_json(content)
