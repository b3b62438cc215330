"""`ratbench list`, `show` and `check`."""

from pathlib import Path

import pytest
from PIL import Image
from rich.text import Text

from suite.cli.commands import inspect
from suite.cli.console import Plain
from suite.core.data.reading import download
from suite.core.data.tasks import fingerprint, load
from tests.support.command_line import ratbench, refused
from tests.support.hugging_face import write_pets

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of two classes, one with a name that looks like markup, and a file that is no picture."""
    for index, (split, name) in enumerate(
        (split, name) for split in ("train", "train", "test") for name in ("[b]cat", "dog")
    ):
        folder = tmp_path / "pets" / split / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").rotate(15 * index).resize((8, 8)).save(folder / f"{index}.png")
    (tmp_path / "pets/train/dog/notes.txt").write_text("-")
    return tmp_path / "pets"


class TestList:
    @pytest.mark.parametrize(
        ("what", "expected"),
        [
            ("methods", "rat_bptt"),
            ("tasks", "cifar10-zca"),
            ("tasks", "hf:OWNER/NAME"),
            ("evaluators", "retrain"),
            ("studies", "gradient_study"),
            ("networks", "resnet18-w<width>-{in|ln|bn|none}"),
            ("augmentations", "flip-rotate"),
            ("recipes", "rat-bptt-1000"),
            ("grids", "demo"),
        ],
    )
    def test_each_kind_has_its_names(self, what: str, expected: str) -> None:
        result = ratbench("list", what)
        assert result.exit_code == 0
        assert expected in [line.split(" ")[0] for line in result.stdout.splitlines()]


class TestShow:
    def test_a_grid_is_its_file_byte_for_byte(self, tmp_path: Path) -> None:
        demo = ROOT / "suite/grids/boards/demo.toml"
        assert ratbench("show", "demo").stdout_bytes == demo.read_bytes()
        odd = tmp_path / "odd.toml"
        odd.write_bytes(b'title = "x" # \xe2\x80\x9c  \r\n\n\n')
        assert ratbench("show", odd).stdout_bytes == odd.read_bytes()
        refused(ratbench("show", "none.toml"), "no file 'none.toml'")

    def test_a_grid_in_a_terminal_has_all_its_text(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        terminal = Plain(force_terminal=True, width=40, color_system="standard")
        monkeypatch.setattr(inspect, "console", terminal)
        inspect.show("demo")
        said = capsys.readouterr().out
        lines = [Text.from_ansi(line).plain for line in said.splitlines()]
        assert "\x1b[" in said and lines == (ROOT / "suite/grids/boards/demo.toml").read_text().splitlines()

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("rat_bptt", "https://arxiv.org/abs/2311.07025"),
            ("mtt", "recipe: mtt-1000"),
            ("dm", "settings for cifar10 at ipc 100, 200, 500, 1000, 1250: image_lr = 10.0"),
            (str(ROOT / "methods" / "rat_bptt.py"), "outer_lr"),
            ("retrain", "copies"),
            ("cifar10-zca", "zca"),
            ("mlp-w128", "411,146 parameters"),
            ("gradient_study", "initialisations"),
            ("dsa", "DSA: differentiable Siamese augmentation"),
            ("dsa-1000", "momentum"),
            ("demo", "[method.rat_bptt]"),
        ],
        ids=lambda each: Path(each.split()[0]).stem,
    )
    def test_each_kind_has_its_details(self, name: str, expected: str) -> None:
        result = ratbench("show", name)
        assert result.exit_code == 0 and expected in " ".join(result.stdout.split())

    def test_a_hugging_face_dataset(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            write_pets(tmp_path / f"pets/{split}.parquet", [0, 1])
        shown = " ".join(ratbench("show", f"hf:{tmp_path / 'pets'}?size=4").stdout.split())
        assert "(3, 4, 4)" in shown and "classes: 0 cat, 1 dog" in shown and "resized to 4×4" in shown
        refused(
            ratbench("show", f"hf:{tmp_path / 'pets'}?label=breed"), "no column 'breed'; its columns: image"
        )
        refused(ratbench("show", "hf:somebody/pets"), "not here; a run would fetch")
        refused(ratbench("show", "somebody/pets"), "for a Hugging Face dataset write 'hf:somebody/pets'")

    def test_a_task_tells_what_its_files_hold(self, pets: Path, tmp_path: Path) -> None:
        task = f"folder:{pets}?size=4"
        result = ratbench("show", task, "--samples", tmp_path / "new" / "samples.png")
        assert result.exit_code == 0 and Image.open(tmp_path / "new" / "samples.png").size[1] == 2 * 66 - 2
        for part in (
            f"{task}: not prepared yet; reading its files, which is done once",
            f"{task}: 2 classes, images of 1×4×4",
            "train: 4 images, 2 per class",
            "test: 2 images, 1 per class",
            "classes: 0 [b]cat, 1 dog",
            "preprocessing: normalise",
            f"fingerprint: {fingerprint(load(task))[:16]}",
            "note: 1 .txt file skipped, not a picture",
            "note: 6 images resized to 4×4",
        ):
            assert part in result.stdout
        again = ratbench("show", task)
        assert "not prepared yet" not in again.stdout and "train: 4 images" in again.stdout

    def test_a_task_that_is_not_here_tells_where_it_is_fetched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(download, "reachable", lambda url: pytest.fail(f"{url} was asked"))
        result = ratbench("show", "cifar10", "--data", tmp_path / "empty")
        shown = " ".join(result.stdout.split())
        assert result.exit_code == 0
        assert "data: not here; a run would fetch https://www.cs.toronto.edu/" in shown
        assert f"into {tmp_path / 'empty'}" in shown.replace(" /", "/").replace("into/", "into /")
        result = ratbench("show", "cifar10", "--data", tmp_path / "empty", "--samples", "a.png")
        refused(result, "a run would fetch")

    def test_a_holdout_is_a_task(self) -> None:
        assert "held out of train" in ratbench("show", "digits:holdout").stdout

    def test_samples_are_of_tasks(self) -> None:
        refused(ratbench("show", "dm", "--samples", "a.png"), "--samples: 'dm' is not a task")

    def test_a_wrong_task(self) -> None:
        refused(ratbench("show", "folder:/nowhere"), "/nowhere needs a folder train/")

    def test_an_unknown_name(self) -> None:
        refused(ratbench("show", "rat_btpt"), "'rat_btpt'", "did you mean 'rat_bptt'?")

    def test_a_network_of_a_wrong_form(self) -> None:
        refused(ratbench("show", "mlp-128"), "unknown network 'mlp-128'", "mlp-w<width>", "'mlp-w128'")

    def test_an_old_name(self) -> None:
        refused(ratbench("show", "linear_bases"), "'rtp'")

    def test_a_name_near_none(self) -> None:
        refused(ratbench("show", "xyzzy"), "unknown name 'xyzzy'", "`ratbench list methods`")


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
            ("x = 1\n", "must end with `METHOD = ...`"),
            ("def broken(:\n", "cannot be imported: SyntaxError"),
            ("import no_such_module\n", "cannot be imported: ModuleNotFoundError"),
        ],
    )
    def test_a_file_without_a_method(self, tmp_path: Path, text: str, part: str) -> None:
        (tmp_path / "odd.py").write_text(text)
        refused(ratbench("check", "odd.py"), "odd.py", part)
