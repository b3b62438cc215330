"""`ratbench leaderboard`, `site` and `picture`."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from rich.text import Text
from typer.testing import Result

from suite.cli.commands import publish
from suite.cli.console import Plain
from tests.support.command_line import ratbench, refused

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestLeaderboard:
    def test_it_goes_to_the_terminal(self, finished: tuple[Path, Path, Result]) -> None:
        result = ratbench("leaderboard", finished[1], "--format", "csv")
        assert result.exit_code == 0
        assert result.stdout.count("\n") > 2 and "random_subset" in result.stdout

    def test_a_terminal_shows_tables_of_80_columns(
        self,
        finished: tuple[Path, Path, Result],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(publish, "console", Plain(force_terminal=True, width=80))
        publish.leaderboard([finished[1]])
        lines = [Text.from_ansi(line).plain for line in capsys.readouterr().out.splitlines()]
        heading = ["rank", "method", "accuracy", "%", "behind", "device", "time"]
        assert any(line.split() == heading for line in lines)
        assert max(map(len, lines)) <= 80
        monkeypatch.setattr(publish, "console", Plain(force_terminal=True, width=40))
        publish.leaderboard([finished[1]])
        narrow = [Text.from_ansi(line).plain.split() for line in capsys.readouterr().out.splitlines()]
        assert heading[:4] in narrow and {"random_subset"} <= {word for line in narrow for word in line}, (
            narrow
        )
        publish.leaderboard([finished[1]], format="md")
        assert capsys.readouterr().out.startswith("# Leaderboard")

    def test_check_tells_a_current_file_from_an_edited_one(self, copied: Path) -> None:
        assert ratbench("leaderboard", copied, "--check").exit_code == 0
        board = copied / "leaderboard.md"
        board.write_text(board.read_text().replace("random_subset", "my_method"))
        result = ratbench("leaderboard", copied, "--check")
        assert result.exit_code == 1
        assert "-" in result.stderr and "my_method" in result.stderr
        assert "does not match the records; write it with --output" in result.stderr

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

    @pytest.mark.parametrize("words", [("leaderboard",), ("leaderboard", "--format", "csv"), ("atlas",)])
    def test_a_folder_that_cannot_be_written(
        self, words: tuple[str, ...], finished: tuple[Path, Path, Result], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        shown = ratbench(words[0], finished[1], *words[1:], "--output", tmp_path / "file" / "board.md")
        refused(shown, "board.md cannot be written: Not a directory; choose another --output")

    def test_a_damaged_set_is_not_drawn_and_the_board_says_so(self, copied: Path, tmp_path: Path) -> None:
        path = next((copied / "artefacts").glob("*.safetensors"))
        path.write_bytes(b"damaged")
        result = ratbench("leaderboard", copied, "--output", tmp_path / "new" / "board.md")
        assert result.exit_code == 0 and "it is not drawn" in result.stderr
        assert "- pictures are missing (`" in (tmp_path / "new" / "board.md").read_text()


class TestSite:
    def test_it_is_written_and_written_again(self, copied: Path, tmp_path: Path) -> None:
        for _ in range(2):
            result = ratbench("site", copied, "--output", tmp_path / "[red]" / "board")
            assert result.exit_code == 0, result.output
            assert f"open {tmp_path}/[red]/board/index.html" in result.stdout
        assert "random_subset" in (tmp_path / "[red]" / "board" / "index.html").read_text()

    def test_files_of_others_are_kept(self, copied: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("years")
        result = ratbench("site", copied, "--output", tmp_path / "mine")
        refused(result, "has files", "thesis.tex", "--output")
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]

    def test_a_file_in_the_way(self, copied: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for output in (tmp_path / "file", tmp_path / "file" / "board"):
            refused(ratbench("site", copied, "--output", output), str(output), "cannot be written")

    def test_no_store(self, tmp_path: Path) -> None:
        refused(ratbench("site", tmp_path / "none", "--output", tmp_path / "board"), "no store at")
        assert not (tmp_path / "board" / "index.html").exists()

    def test_a_store_of_another_protocol(self, copied: Path, tmp_path: Path) -> None:
        (copied / "store.json").write_text('{"protocol": 3}')
        refused(ratbench("site", copied, "--output", tmp_path / "board"), "protocol 3", "this release")

    def test_a_set_that_is_missing_or_damaged_has_no_picture(self, copied: Path, tmp_path: Path) -> None:
        first, *others = sorted((copied / "artefacts").glob("*.safetensors"))
        first.unlink()
        for path in others:
            path.write_bytes(b"damaged")
        shutil.rmtree(copied / "pictures")  # which would be shown
        result = ratbench("site", copied, "--output", tmp_path / "board")
        assert result.exit_code == 0, result.output
        pages = [path.read_text() for path in (tmp_path / "board" / "artefacts").rglob("*.html")]
        assert len(pages) > 1 and all("There is no picture" in page for page in pages)


class TestPicture:
    def test_a_row_of_64_pixels_a_class(self, finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
        artefact = next((finished[1] / "artefacts").glob("*.safetensors"))
        result = ratbench("picture", artefact, "--output", tmp_path / "set.png")
        assert result.exit_code == 0, result.output
        with Image.open(tmp_path / "set.png") as image:
            assert image.height > 10 * 64 + 9 * 2  # a title stands above
            assert 64 < image.width < 4 * 64  # one image, names of one digit, and the title

    def test_the_nearest_train_images_stand_below_and_in_a_table(
        self, finished: tuple[Path, Path, Result], tmp_path: Path
    ) -> None:
        shown = f"{finished[1]}:random_subset/ipc1/seed0"
        result = ratbench("picture", shown, "--nearest", "--output", tmp_path / "near.png")
        assert result.exit_code == 0, result.output
        assert result.stdout.count("| yes ") == 10
        written = (tmp_path / "near.md").read_text()
        assert written.count("| yes ") == 10 and "](near.png)" in written
        with Image.open(tmp_path / "near.png") as image:
            assert image.height > 20 * 64

    def test_a_damaged_artefact(self, copied: Path) -> None:
        artefact = next((copied / "artefacts").glob("*.safetensors"))
        artefact.write_bytes(artefact.read_bytes()[:-1])
        refused(ratbench("picture", artefact), "does not match the sha256 in its manifest")
        assert not artefact.with_suffix(".png").exists()

    def test_no_artefact(self) -> None:
        refused(ratbench("picture", "nothing.safetensors"), "nothing.safetensors", "cannot be read")
