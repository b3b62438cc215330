"""`ratbench run`: what it leaves behind, exit codes, continuing, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
from typer.testing import Result

from suite.experiments.resources import Resources
from tests.support import broken_files
from tests.support.command_line import ratbench
from tests.support.grids import QUICK

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestRun:
    def test_a_run_ends_with_a_board_its_plots_and_pictures(
        self, finished: tuple[Path, Path, Result]
    ) -> None:
        _, store, ran = finished
        assert ran.exit_code == 0, ran.output
        assert "4 cells, 0 done, 4 to do" in ran.stdout
        assert "[4/4] rat_bptt: retrain ncfm-40 done, " in ran.stdout
        board = (store / "leaderboard.md").read_text()
        assert "random_subset" in board and "rat_bptt" in board
        pictures = sorted(path.name for path in (store / "pictures" / "digits").iterdir())
        assert pictures == ["random_subset-ipc1-seed0.png", "rat_bptt-ipc1-seed0.png"]

    def test_run_again_it_has_nothing_to_do(self, finished: tuple[Path, Path, Result], copied: Path) -> None:
        records = {path: path.read_bytes() for path in copied.rglob("records/*/*/*.json")}
        ran = ratbench("run", finished[0], "--store", copied, "--inline")
        assert ran.exit_code == 0 and "4 cells, 4 done, 0 to do" in ran.stdout
        assert "[1/" not in ran.stdout
        assert records == {path: path.read_bytes() for path in copied.rglob("records/*/*/*.json")}

    def test_a_dry_run_lists_the_cells_and_writes_nothing(self, quick: Path, tmp_path: Path) -> None:
        before = sorted(tmp_path.rglob("*"))
        ran = ratbench("run", quick, "--dry-run")
        assert ran.exit_code == 0
        assert "4 cells, 0 done, 4 to do" in ran.stdout and ran.stdout.count("to do") == 5
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_dry_run_shows_what_is_done(self, finished: tuple[Path, Path, Result]) -> None:
        ran = ratbench("run", finished[0], "--store", finished[1], "--dry-run")
        assert ran.exit_code == 0 and "4 cells, 4 done, 0 to do" in ran.stdout

    def test_a_store_is_by_default_named_after_the_grid(self, quick: Path) -> None:
        assert "(runs/quick)" in ratbench("run", quick, "--dry-run").stdout

    def test_brackets_in_a_path_are_no_markup(self, quick: Path) -> None:
        assert "(a[red]b)" in ratbench("run", quick, "--dry-run", "--store", "a[red]b").stdout

    def test_a_trial_that_failed_gives_exit_code_1_and_its_reason(self, quick: Path, tmp_path: Path) -> None:
        (tmp_path / "raises.py").write_text(broken_files.RAISES)
        text = QUICK.replace("[method.random_subset]", '[method.mine]\nbase = "raises.py"')
        quick.write_text(text)
        ran = ratbench("run", quick, "--inline")
        assert ran.exit_code == 1 and "Traceback" not in ran.output
        assert "[1/4] mine: distillation failed: RuntimeError: the method is broken (raises.py:" in ran.stdout
        assert "  traceback: runs/quick/failures/digits-ipc1/mine/" in ran.stdout
        assert "failed: mine on digits ipc 1 seed 0: RuntimeError: the method is broken" in ran.stdout
        assert "2 cells are not done; run the same command again" in ran.stdout
        assert "[3/4] rat_bptt: retrain ncfm-40 done, " in ran.stdout

    def test_a_damaged_record_is_run_again_with_a_warning(
        self, finished: tuple[Path, Path, Result], copied: Path
    ) -> None:
        path = next(
            path
            for path in copied.glob("records/*/random_subset/*.json")
            if json.loads(path.read_text())["cell"]["kind"] == "evaluation"
        )
        before = json.loads(path.read_text())
        path.write_text("{")
        ran = ratbench("run", finished[0], "--store", copied, "--inline")
        assert ran.exit_code == 0 and "4 cells, 3 done, 1 to do" in ran.stdout
        assert "warning:" in ran.stderr and "its cell will run again" in ran.stderr
        assert json.loads(path.read_text())["scores"]["accuracy"] == before["scores"]["accuracy"]


@pytest.mark.usefixtures("interruptible")
class TestInterrupted:
    def test_a_signal_while_it_starts_ends_it_with_75(
        self, quick: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before anything is read: schedulers try again what ends so."""

        def signalled(*given: object, **named: object) -> Resources:
            signal.raise_signal(signal.SIGTERM)
            return Resources()

        monkeypatch.setattr(Resources, "choose", signalled)
        ran = ratbench("run", quick, "--inline")
        assert ran.exit_code == 75 and "stopped, since SIGTERM came; run the same command again" in ran.stdout

    @pytest.mark.parametrize(
        ("number", "code", "said"),
        [
            (signal.SIGINT, 130, "interrupted; run the same command again to continue"),
            (signal.SIGUSR1, 75, "stopped, since SIGUSR1 came; run the same command again to go on"),
        ],
    )
    def test_it_says_how_to_continue_and_the_same_command_does(
        self, quick: Path, tmp_path: Path, number: int, code: int, said: str
    ) -> None:
        (tmp_path / "slow.py").write_text(broken_files.SLOW_WITH_MARKERS)
        quick.write_text(
            QUICK.replace("[method.rat_bptt]", '[method.slow]\nbase = "slow.py"').replace(
                "steps = 4\nunroll = 4\nwindow = 2\nreal_batch = 32", "steps = 2"
            )
        )
        command = [sys.executable, "-m", "suite", "run", "quick.toml", "--inline"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            while not (tmp_path / "slow.1").exists():  # in the first outer step
                assert process.poll() is None
                sleep(0.05)
            process.send_signal(number)
            rest, errors = process.stdout.read(), process.stderr.read()
        assert process.returncode == code, (rest, errors)
        assert said in rest and "Traceback" not in errors
        ran = ratbench("run", quick, "--inline")
        assert ran.exit_code == 0 and "4 cells, 2 done, 2 to do" in ran.stdout
