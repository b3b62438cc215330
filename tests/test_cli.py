"""The command line: exit codes, readable refusals, and what each command leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import broken_files
import pytest
import torch
from conftest import TINY
from PIL import Image
from typer.testing import CliRunner, Result

from suite.__main__ import app

ROOT = Path(__file__).parent.parent
QUICK = TINY.replace('["rat-bptt"]', '"dc"').replace("copies = 2", "copies = 1")


def ratbench(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(result: Result, *parts: str) -> None:
    """Expect exit code 2 and one line for the user, which names each of `parts`."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2 and "Traceback" not in result.output
    message = result.stderr.strip()
    assert message.startswith("error: ") and "\n" not in message
    for part in parts:
        assert part in message


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that are not named lie below the working directory; nothing is fetched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("suite.core.fetching.reachable", lambda url: False)


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Result]]:
    """A grid's file, the store it was run into, and what the run said."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "quick.toml").write_text(QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATBENCH_DATA", str(folder / "data"))
        torch.set_num_threads(1)
        ran = ratbench("run", folder / "quick.toml", "--store", folder / "store", "--inline")
    yield folder / "quick.toml", folder / "store", ran


@pytest.fixture
def store(finished: tuple[Path, Path, Result], tmp_path: Path) -> Path:
    """A copy of the finished store, to be changed at will."""
    return Path(shutil.copytree(finished[1], tmp_path / "copy"))


class TestRun:
    def test_a_run_ends_with_a_board_its_plots_and_pictures(
        self, finished: tuple[Path, Path, Result]
    ) -> None:
        _, store, ran = finished
        assert ran.exit_code == 0, ran.output
        assert "4 cells, 0 done, 4 to do" in ran.stdout
        assert "[4/4] digits ipc 1 rat_bptt seed 0: retrain dc done" in ran.stdout
        board = (store / "leaderboard.md").read_text()
        assert "random_subset" in board and "rat_bptt" in board
        pictures = sorted(path.name for path in (store / "pictures" / "digits").iterdir())
        assert pictures == ["random_subset-ipc1-seed0.png", "rat_bptt-ipc1-seed0.png"]

    def test_run_again_it_has_nothing_to_do(self, finished: tuple[Path, Path, Result], store: Path) -> None:
        records = {path: path.read_bytes() for path in store.rglob("records/*/*/*.json")}
        ran = ratbench("run", finished[0], "--store", store, "--inline")
        assert ran.exit_code == 0 and "4 cells, 4 done, 0 to do" in ran.stdout
        assert "[1/" not in ran.stdout
        assert records == {path: path.read_bytes() for path in store.rglob("records/*/*/*.json")}

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
        assert "failed: mine on digits ipc 1 seed 0: RuntimeError: the method is broken" in ran.stdout
        assert "2 cells are not done; run the same command again" in ran.stdout
        assert "[3/4] digits ipc 1 rat_bptt seed 0: retrain dc done" in ran.stdout

    def test_a_damaged_record_is_run_again_with_a_warning(
        self, finished: tuple[Path, Path, Result], store: Path
    ) -> None:
        path = next(
            path
            for path in store.glob("records/*/random_subset/*.json")
            if json.loads(path.read_text())["cell"]["kind"] == "evaluation"
        )
        before = json.loads(path.read_text())
        path.write_text("{")
        ran = ratbench("run", finished[0], "--store", store, "--inline")
        assert ran.exit_code == 0 and "4 cells, 3 done, 1 to do" in ran.stdout
        assert "warning:" in ran.stderr and "its cell runs again" in ran.stderr
        assert json.loads(path.read_text())["scores"]["accuracy"] == before["scores"]["accuracy"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests started in a shell's background ignore Ctrl-C, and their children would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
class TestInterrupted:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_says_how_to_continue_and_the_same_command_does(
        self, quick: Path, tmp_path: Path, number: int
    ) -> None:
        (tmp_path / "slow.py").write_text(broken_files.SLOW)
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
            for line in process.stdout:
                if line.startswith("[2/4]"):
                    break
            process.send_signal(number)
            rest, errors = process.stdout.read(), process.stderr.read()
        assert process.returncode == 130, errors
        assert "interrupted; run the same command again to continue" in rest
        assert "Traceback" not in errors
        ran = ratbench("run", quick, "--inline")
        assert ran.exit_code == 0 and "4 cells, 2 done, 2 to do" in ran.stdout


class TestRefusedGrids:
    @pytest.mark.parametrize(
        ("old", "new", "parts"),
        [
            ("method.rat_bptt", "method.rat_btpt", ("'rat_btpt'", "did you mean 'rat_bptt'?")),
            ('"digits"', '"digist"', ("'digist'", "did you mean 'digits'?")),
            ('"dc"', '"dcc"', ("'dcc'", "did you mean 'dc'?")),
            ("window", "widnow", ("method.rat_bptt", "'widnow'", "did you mean 'window'?")),
            ("title", "tilte", ("quick.toml", "'tilte'", "did you mean 'title'?")),
            ("window = 2", "window = 9", ("window 9 is longer than the unroll 4", "lower window")),
            ("ipc = [1]", "ipc = [1000]", ("ipc 1000 is larger than the smallest class", "lower ipc")),
            ("seeds = [0]", "seeds = [0", ("quick.toml", "line")),
            (
                "convnet-d1-w8-in",
                "convnet-d5-w8-in",
                ("random_subset on digits at ipc 1", "8x8 images are too small for 5 blocks"),
            ),
        ],
    )
    def test_a_mistake_in_the_file(
        self, quick: Path, tmp_path: Path, old: str, new: str, parts: tuple[str, ...]
    ) -> None:
        quick.write_text(QUICK.replace(old, new, 1))
        refused(ratbench("run", quick, "--inline"), *parts)
        assert not (tmp_path / "runs").exists(), "nothing is written before the checks"

    def test_an_unknown_grid(self) -> None:
        refused(ratbench("run", "dmeo"), "'dmeo'", "did you mean 'demo'?")

    def test_a_wrong_setting(self, quick: Path) -> None:
        result = ratbench("run", quick, "--set", "method.rat_bptt.widnow=3")
        refused(result, "'widnow'", "did you mean 'window'?")

    def test_a_method_file_that_is_not_there(self, quick: Path) -> None:
        quick.write_text(QUICK.replace("[method.random_subset]", '[method.mine]\nbase = "mine.py"'))
        refused(ratbench("run", quick, "--inline"), "there is no Python file at", "mine.py")


class TestRefusedData:
    def test_a_task_whose_files_are_not_there(self, quick: Path, tmp_path: Path) -> None:
        quick.write_text(QUICK.replace('"digits"', '"cifar10"'))
        result = ratbench("run", quick, "--inline", "--data", tmp_path / "empty")
        refused(result, "For cifar10, put cifar-10-batches-py/data_batch_1", str(tmp_path / "empty"))

    def test_a_class_without_an_image(self, quick: Path, tmp_path: Path) -> None:
        for split in ("train", "test"):
            for name in ("cat", "dog"):
                (tmp_path / "pets" / split / name).mkdir(parents=True)
                Image.new("L", (8, 8)).save(tmp_path / "pets" / split / name / "1.png")
        (tmp_path / "pets" / "train" / "dog" / "1.png").unlink()
        quick.write_text(QUICK.replace('"digits"', f'"folder:{tmp_path / "pets"}"'))
        refused(ratbench("run", quick, "--inline"), "pets/train/dog has no image in it")


class TestRefusedPlaces:
    def test_a_gpu_where_there_is_none(self, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        result = ratbench("run", quick, "--inline", "--gpus-per-trial", "1")
        refused(result, "a GPU was asked for, and torch finds none", "--gpus-per-trial")

    def test_inline_on_a_cluster(self, quick: Path) -> None:
        refused(ratbench("run", quick, "--inline", "--address", "auto"), "leave out --address")

    @pytest.mark.parametrize("below", ["quick.toml", "quick.toml/store"])
    def test_a_store_that_cannot_be_written(self, quick: Path, below: str) -> None:
        result = ratbench("run", quick, "--inline", "--store", below)
        refused(result, f"store {below} cannot be written", "choose another --store")

    @pytest.mark.parametrize("flag", ["--inline", "--dry-run"])
    def test_a_store_of_another_protocol(self, quick: Path, tmp_path: Path, flag: str) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "store.json").write_text('{"protocol": 0}')
        result = ratbench("run", quick, flag, "--store", "old")
        refused(result, "store old was written by protocol 0", "choose another --store")


class TestList:
    @pytest.mark.parametrize(
        ("what", "expected"),
        [
            ("methods", "rat_bptt"),
            ("tasks", "cifar10-zca"),
            ("evaluators", "retrain"),
            ("recipes", "rat-bptt"),
            ("grids", "demo"),
        ],
    )
    def test_each_kind_has_its_names(self, what: str, expected: str) -> None:
        result = ratbench("list", what)
        assert result.exit_code == 0
        assert expected in [line.split(" ")[0] for line in result.stdout.splitlines()]


class TestShow:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("rat_bptt", "arXiv 2311.07025"),
            (str(ROOT / "methods" / "rat_bptt.py"), "outer_lr"),
            ("retrain", "copies"),
            ("cifar10-zca", "zca"),
            ("dsa", "momentum"),
            ("demo", "[method.rat_bptt]"),
        ],
        ids=["method", "path", "evaluator", "task", "recipe", "grid"],
    )
    def test_each_kind_has_its_details(self, name: str, expected: str) -> None:
        result = ratbench("show", name)
        assert result.exit_code == 0 and expected in result.stdout

    def test_an_unknown_name(self) -> None:
        refused(ratbench("show", "rat_btpt"), "'rat_btpt'", "did you mean 'rat_bptt'?")


class TestLeaderboard:
    def test_it_goes_to_the_terminal(self, finished: tuple[Path, Path, Result]) -> None:
        result = ratbench("leaderboard", finished[1], "--format", "csv")
        assert result.exit_code == 0
        assert result.stdout.count("\n") > 2 and "random_subset" in result.stdout

    def test_check_tells_a_current_file_from_an_edited_one(self, store: Path) -> None:
        assert ratbench("leaderboard", store, "--check").exit_code == 0
        board = store / "leaderboard.md"
        board.write_text(board.read_text().replace("random_subset", "my_method"))
        result = ratbench("leaderboard", store, "--check")
        assert result.exit_code == 1
        assert "-" in result.stderr and "my_method" in result.stderr
        assert "is not what the records give; write it with --output" in result.stderr

    def test_output_writes_what_check_accepts(self, store: Path, tmp_path: Path) -> None:
        target = tmp_path / "board" / "table.md"
        assert ratbench("leaderboard", store, "--output", target).exit_code == 0
        assert (target.parent / "pictures" / "digits" / "rat_bptt-ipc1-seed0.png").is_file()
        assert ratbench("leaderboard", store, "--output", target, "--check").exit_code == 0

    def test_brackets_in_a_path_are_no_markup(self, store: Path, tmp_path: Path) -> None:
        result = ratbench("leaderboard", store, "--output", tmp_path / "[red]" / "board.md")
        assert str(tmp_path / "[red]" / "board.md") in result.stdout

    def test_a_damaged_record_is_skipped_with_a_warning(self, store: Path, tmp_path: Path) -> None:
        odd = store.rename(tmp_path / "[red]")
        path = next(odd.glob("records/*/*/*.json"))
        path.write_text("{")
        result = ratbench("leaderboard", odd)
        assert result.exit_code == 0 and f"warning: {path}: skipped" in result.stderr

    def test_a_folder_that_is_not_there(self) -> None:
        refused(ratbench("leaderboard", "nowhere"), "no store at nowhere")


class TestCheck:
    def test_a_method_by_path_keeps_the_contract(self) -> None:
        result = ratbench("check", ROOT / "methods" / "random_subset.py")
        assert result.exit_code == 0 and "fail" not in result.stdout

    def test_a_broken_method_is_told_what_to_change(self, tmp_path: Path) -> None:
        text = (ROOT / "methods" / "random_subset.py").read_text()
        drawn = "[rows[__import__('torch').randperm(len(rows))[:ipc]] for rows in train.by_class()]"
        (tmp_path / "careless.py").write_text(text.replace("random_choice(train, ipc, seed=seed)", drawn))
        result = ratbench("check", "careless.py")
        assert result.exit_code == 1
        assert "two runs of one seed differ; draw from suite.core.seeding.generator" in result.stdout

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("x = 1\n", "must end with `METHOD = …`, a frozen dataclass"),
            ("def broken(:\n", "cannot be imported: SyntaxError"),
            ("import no_such_module\n", "cannot be imported: ModuleNotFoundError"),
        ],
    )
    def test_a_file_without_a_method(self, tmp_path: Path, text: str, part: str) -> None:
        (tmp_path / "odd.py").write_text(text)
        refused(ratbench("check", "odd.py"), "odd.py", part)


class TestPicture:
    def test_a_row_of_64_pixels_a_class(self, finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
        artefact = next((finished[1] / "artefacts").glob("*.safetensors"))
        result = ratbench("picture", artefact, "--output", tmp_path / "set.png")
        assert result.exit_code == 0, result.output
        with Image.open(tmp_path / "set.png") as image:
            assert image.height == 10 * 64 + 9 * 2
            assert 64 < image.width < 2 * 64  # one image, and names of one digit

    def test_a_damaged_artefact(self, store: Path) -> None:
        artefact = next((store / "artefacts").glob("*.safetensors"))
        artefact.write_bytes(artefact.read_bytes()[:-1])
        refused(ratbench("picture", artefact), "does not match the sha256 in its manifest")
        assert not artefact.with_suffix(".png").exists()

    def test_no_artefact(self) -> None:
        refused(ratbench("picture", "nothing.safetensors"), "nothing.safetensors", "cannot be read")


def test_help_names_every_command() -> None:
    result = ratbench("--help")
    assert result.exit_code == 0
    for command in ("run", "list", "show", "leaderboard", "check", "picture"):
        assert command in result.stdout
