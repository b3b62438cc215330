"""`ratbench migrate`: what it says, and its exit code."""

from pathlib import Path

import pytest

from suite.board import files
from suite.records.cells import Evaluation, Trial
from tests.support import protocol_1
from tests.support.command_line import ratbench, refused


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return protocol_1.write(tmp_path / "old")


def test_it_counts_what_it_brought(old: Path, tmp_path: Path) -> None:
    result = ratbench("migrate", old, tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"9 records, 1 plan, 2 artefacts written to {tmp_path / 'new'}\n"


def test_records_have_the_titles_that_are_declared_today(old: Path, tmp_path: Path) -> None:
    ratbench("migrate", old, tmp_path / "new")
    for record in files.read([tmp_path / "new"]).records:
        if isinstance(record.cell, Trial) and record.label == "rtp":
            assert record.method_title == "RTP: Remember the Past, linear bases"
            assert record.paper == "arXiv 2206.02916"
        if isinstance(record.cell, Evaluation) and record.cell.evaluator == "retrain":
            assert record.title == "Retrained networks"
            assert [score.name for score in record.described if score.ranks] == ["accuracy"]


def test_boards_show_the_new_store(old: Path, tmp_path: Path) -> None:
    ratbench("migrate", old, tmp_path / "new")
    result = ratbench("leaderboard", tmp_path / "new", "--output", tmp_path / "board.md")
    assert result.exit_code == 0, result.output
    assert "`rtp`" in (tmp_path / "board.md").read_text()


def test_something_left_behind_is_exit_code_1(old: Path, tmp_path: Path) -> None:
    path = next(old.glob("records/digits-full/*/*.json"))
    path.write_text(path.read_text().replace("0.9375", "0.9999"))
    result = ratbench("migrate", old, tmp_path / "new")
    assert result.exit_code == 1 and "8 records" in result.stdout
    assert f"left behind: {path}: its content does not match its sha256" in result.stderr


def test_methods_that_are_not_installed_have_no_title(old: Path, tmp_path: Path) -> None:
    cell = protocol_1.trial("external:somebodys", {"format": "dc", "preprocessing": "task"}, source="0" * 64)
    unknown = protocol_1.trial("uninstalled", {})
    for made in (cell, unknown):
        protocol_1.write_record(old, protocol_1.sealed(made, made["method"].replace(":", "-")))
    result = ratbench("migrate", old, tmp_path / "new")
    assert result.exit_code == 0, result.output
    found = [record for record in files.read([tmp_path / "new"]).records if isinstance(record.cell, Trial)]
    titles = {record.cell.method: record.method_title for record in found if isinstance(record.cell, Trial)}
    assert titles["external:somebodys"] == titles["uninstalled"] == "" and titles["bptt"]


def test_a_folder_that_holds_something_is_refused(old: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").touch()
    refused(ratbench("migrate", old, tmp_path / "new"), "is not empty", "name a new folder")
    refused(ratbench("migrate", tmp_path / "new", tmp_path / "newer"), "is not a store of protocol 1")
