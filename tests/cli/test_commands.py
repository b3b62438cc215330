"""The command line besides `run`: exit codes, refusals, and what each command leaves behind."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.support.command_line import ratbench, refused

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestList:
    @pytest.mark.parametrize(
        ("what", "expected"),
        [
            ("methods", "rat_bptt"),
            ("tasks", "cifar10-zca"),
            ("evaluators", "retrain"),
            ("recipes", "rat-bptt-1000"),
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
            ("dsa-1000", "momentum"),
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

    def test_check_tells_a_current_file_from_an_edited_one(self, copied: Path) -> None:
        assert ratbench("leaderboard", copied, "--check").exit_code == 0
        board = copied / "leaderboard.md"
        board.write_text(board.read_text().replace("random_subset", "my_method"))
        result = ratbench("leaderboard", copied, "--check")
        assert result.exit_code == 1
        assert "-" in result.stderr and "my_method" in result.stderr
        assert "is not what the records give; write it with --output" in result.stderr

    def test_output_writes_what_check_accepts(self, copied: Path, tmp_path: Path) -> None:
        target = tmp_path / "board" / "table.md"
        assert ratbench("leaderboard", copied, "--output", target).exit_code == 0
        assert (target.parent / "pictures" / "digits" / "rat_bptt-ipc1-seed0.png").is_file()
        assert ratbench("leaderboard", copied, "--output", target, "--check").exit_code == 0

    def test_brackets_in_a_path_are_no_markup(self, copied: Path, tmp_path: Path) -> None:
        result = ratbench("leaderboard", copied, "--output", tmp_path / "[red]" / "board.md")
        assert str(tmp_path / "[red]" / "board.md") in result.stdout

    def test_a_damaged_record_is_skipped_with_a_warning(self, copied: Path, tmp_path: Path) -> None:
        odd = copied.rename(tmp_path / "[red]")
        path = next(odd.glob("records/*/*/*.json"))
        path.write_text("{")
        result = ratbench("leaderboard", odd)
        assert result.exit_code == 0 and f"warning: {path}: skipped" in result.stderr

    def test_a_folder_that_is_not_there(self) -> None:
        refused(ratbench("leaderboard", "nowhere"), "no store at nowhere")

    def test_a_folder_that_is_no_store(self, tmp_path: Path) -> None:
        (tmp_path / "grids").mkdir()
        refused(ratbench("leaderboard", tmp_path / "grids", "--output", tmp_path / "b.md"), "no store at")
        assert not (tmp_path / "b.md").exists()


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

    @pytest.mark.parametrize("end", ["raise RuntimeError('no\\nimages')", "raise SystemExit(0)"])
    def test_an_error_in_a_method_is_a_line_of_its_checks(self, tmp_path: Path, end: str) -> None:
        text = (ROOT / "methods" / "random_subset.py").read_text()
        (tmp_path / "ends.py").write_text(text.replace("return random_choice(train, ipc, seed=seed)", end))
        result = ratbench("check", "ends.py")
        assert result.exit_code == 1 and result.stdout.count("fail") > 2
        assert "it raised RuntimeError: no images" in result.stdout or "it raised SystemExit" in result.stdout

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

    def test_a_damaged_artefact(self, copied: Path) -> None:
        artefact = next((copied / "artefacts").glob("*.safetensors"))
        artefact.write_bytes(artefact.read_bytes()[:-1])
        refused(ratbench("picture", artefact), "does not match the sha256 in its manifest")
        assert not artefact.with_suffix(".png").exists()

    def test_no_artefact(self) -> None:
        refused(ratbench("picture", "nothing.safetensors"), "nothing.safetensors", "cannot be read")


def test_help_names_every_command() -> None:
    result = ratbench("--help")
    assert result.exit_code == 0
    for command in ("run", "list", "show", "leaderboard", "check", "picture", "evaluate", "export"):
        assert command in result.stdout
