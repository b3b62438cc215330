"""The commands for whole stores: what they say, and their exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from suite.board import files
from suite.cli.stores import watching
from suite.records.cells import Evaluation, Trial
from suite.records.store import Store
from tests.support import protocol_1
from tests.support.command_line import ratbench, refused
from tests.support.stores import HOSTILE, change, content, kept, record_of


class TestMerge:
    @pytest.fixture
    def other(self, copied: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(copied, tmp_path / "other"))

    def test_it_counts_what_it_copied(self, copied: Path, other: Path, tmp_path: Path) -> None:
        target = tmp_path / "all"
        result = ratbench("merge", copied, other, "--output", target)
        assert result.exit_code == 0, result.output
        written = f"2 sets, 4 records, 1 plan written to {target}"
        assert result.stdout == f"{written}; 2 sets, 4 records, 1 plan were there already\n"
        again = ratbench("merge", copied, other, "--output", target)
        assert again.stdout.startswith(f"nothing new written to {target}; ")

    def test_a_conflict_stops_it_before_it_writes(self, copied: Path, other: Path, tmp_path: Path) -> None:
        change(record_of(other, "rat_bptt", Evaluation), scores={"accuracy": (0.25,)})
        before = content(tmp_path)
        result = ratbench("merge", copied, other, "--output", tmp_path / "all")
        refused(result, "1 conflict and nothing was written", "--keep first")
        assert "rat_bptt on digits ipc 1, retrain ncfm-40" in result.stdout
        assert f"{other}: 25.00; " in result.stdout and content(tmp_path) == before
        result = ratbench("merge", other, copied, "--output", tmp_path / "all", "--keep", "first")
        assert result.exit_code == 0 and kept(tmp_path / "all") == kept(other)
        assert "left out, since another store's result is kept: 1 record" in result.stdout

    def test_many_conflicts_are_counted(
        self, copied: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("suite.cli.commands.stores._SHOWN", 1)
        for path in other.glob("records/*/*/*.json"):
            change(path, seconds=1e6)
        result = ratbench("merge", copied, other, "--output", tmp_path / "all")
        refused(result, "4 conflicts, 4 with the same results, and nothing was written")
        assert result.stdout.endswith("… and 3 other conflicts\n")

    def test_damage_is_named_and_the_exit_code_is_1(self, copied: Path, tmp_path: Path) -> None:
        path = record_of(copied, "rat_bptt", Trial)
        path.write_text("{")
        result = ratbench("merge", copied, "--output", tmp_path / "all")
        assert result.exit_code == 1 and f"left behind: {path}: " in result.stderr

    def test_no_store(self, copied: Path, tmp_path: Path) -> None:
        refused(ratbench("merge", tmp_path / "none", "--output", tmp_path / "all"), "does not exist")
        (copied / "store.json").write_text('{"protocol": 1}')
        refused(ratbench("merge", copied, "--output", tmp_path / "all"), "ratbench migrate")
        assert not (tmp_path / "all").exists()


class TestStatus:
    def test_once_and_for_scripts(self, copied: Path) -> None:
        result = ratbench("status", copied)
        assert result.exit_code == 0 and "4 of 4 cells done (100%)" in result.stdout
        assert json.loads(ratbench("status", copied, "--format", "json").stdout)["plans"][0]["done"] == 4

    def test_watching_ends_when_all_is_done(self, copied: Path) -> None:
        result = ratbench("status", copied, "--watch")
        assert result.exit_code == 0 and result.stdout.endswith("4 of 4 cells done (100%)\n")

    def test_ctrl_c_is_no_error(self, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(watching, "sleep", interrupted)
        record_of(copied, "rat_bptt", Trial).unlink()
        assert ratbench("status", copied, "--watch").exit_code == 0

    def test_refusals(self, copied: Path, tmp_path: Path) -> None:
        refused(ratbench("status", tmp_path / "none"), "does not exist")
        refused(ratbench("status", copied, "--watch", "--format", "json"), "--watch shows text")

    def test_it_changes_nothing(self, copied: Path) -> None:
        before = content(copied)
        ratbench("status", copied)
        assert content(copied) == before


class TestCompare:
    def test_two_methods(self, copied: Path) -> None:
        result = ratbench("compare", copied, "--method", "random_subset", "--method", "rat_bptt")
        assert result.exit_code == 0, result.output
        assert f"A: random_subset in {copied}\nB: rat_bptt in {copied}\n" in result.stdout
        assert "not shown" in result.stdout  # one network each

    def test_formats(self, copied: Path) -> None:
        words = ("compare", f"{copied}:random_subset", f"{copied}:digits/rat_bptt", "--format")
        assert json.loads(ratbench(*words, "json").stdout)["pairs"][0]["recipe"] == "ncfm-40"
        assert "random_subset → rat_bptt" in ratbench(*words, "markdown").stdout
        assert ratbench(*words, "csv").stdout.startswith("task,ipc,network,")

    def test_refusals(self, copied: Path) -> None:
        refused(ratbench("compare", copied), "--method twice")
        refused(ratbench("compare", copied, copied), "with itself")
        refused(ratbench("compare", copied, "--method", "dm", "--method", "rat_bpt"), "no row dm")


class TestForget:
    def test_it_lists_and_moves_only_if_told_to(self, copied: Path) -> None:
        before = content(copied)
        result = ratbench("forget", copied, "rat_bptt")
        assert result.exit_code == 0 and "add --yes to move these cells" in result.stdout
        assert content(copied) == before
        result = ratbench("forget", copied, "rat_bptt", "--yes")
        assert result.stdout.endswith(f"1 set, 1 plan, 2 records moved to {copied / 'forgotten'}\n")
        shown = ratbench("leaderboard", copied).stdout
        assert "`random_subset`" in shown and "`rat_bptt`" not in shown
        merged = ratbench("merge", copied / "forgotten", "--output", copied)
        assert merged.exit_code == 0 and "`rat_bptt`" in ratbench("leaderboard", copied).stdout

    def test_nothing_is_old(self, copied: Path) -> None:
        assert "nothing to forget" in ratbench("forget", copied).stdout

    def test_refusals(self, copied: Path, tmp_path: Path) -> None:
        refused(ratbench("forget", copied, "rat_bpt"), "did you mean 'rat_bptt'?")
        refused(ratbench("forget", tmp_path / "none", "--yes"), "does not exist")
        with Store(copied).locked():
            refused(ratbench("forget", copied, "rat_bptt", "--yes"), "is in use")


def test_no_command_obeys_names_of_records(copied: Path, tmp_path: Path) -> None:
    """Labels and errors may command a terminal, or break the markup of tables."""
    paths = [record_of(copied, "rat_bptt", kind) for kind in (Trial, Evaluation)]
    for path in paths:
        change(path, label=HOSTILE)
    failed = change(record_of(copied, "random_subset", Evaluation), status="failed", error=HOSTILE, scores={})
    record_of(copied, "random_subset", Evaluation).unlink()
    Store(copied).write(failed, "Traceback")
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    change(other / paths[0].relative_to(copied), seconds=9.0)
    commands = [
        ("status", copied),
        ("status", copied, "--format", "json"),
        ("list", "artefacts", copied),
        ("list", "artefacts", copied, "--format", "csv"),
        ("list", "artefacts", copied, "--format", "json"),
        ("compare", copied, other),
        ("compare", copied, "--method", HOSTILE, "--method", "random_subset"),
        ("merge", copied, other, "--output", tmp_path / "all"),
        ("forget", copied, HOSTILE),
        ("leaderboard", copied),
        ("leaderboard", copied, "--format", "csv"),
        ("leaderboard", copied, "--format", "json"),
        ("picture", f"{copied}:{HOSTILE}/ipc1/seed7"),
        ("export", f"{copied}:nothing", "--format", "pt"),
    ]
    for words in commands:
        result = ratbench(*words)
        assert result.exception is None or isinstance(result.exception, SystemExit), words
        assert not set(result.output) & set("\x1b\x9b"), words


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
