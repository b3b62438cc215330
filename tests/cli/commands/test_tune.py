"""`ratbench tune`: its exit codes, and what it refuses before compute."""

from pathlib import Path

import pytest

from tests.support import broken_files
from tests.support.command_line import ratbench, refused
from tests.support.tuned import TUNED

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tuned.toml").write_text(TUNED)
    return tmp_path / "tuned.toml"


def test_help_has_an_example() -> None:
    assert "ratbench tune demo --tries 4 --seconds 10" in " ".join(ratbench("tune", "--help").stdout.split())


def test_it_writes_a_file_and_says_how_to_use_it(path: Path) -> None:
    text = TUNED.replace("ipc = [1, 2]", "ipc = [1]").replace('["dc-300", "native"]', '"dc-300"')
    path.write_text(text)
    ran = ratbench("tune", path, "--tries", "2", "--inline")
    assert ran.exit_code == 0, ran.output
    assert "wrote runs/tuned-tuning/settings.toml" in ran.stdout
    assert 'write there: settings = "tuned.settings.toml"' in ran.stdout
    Path("runs/tuned-tuning/settings.toml").rename("tuned.settings.toml")
    path.write_text(text.replace("ipc = [1]", 'ipc = [1]\nsettings = "tuned.settings.toml"', 1))
    ran = ratbench("run", path, "--dry-run")
    assert ran.exit_code == 0, ran.output


TUNABLE = "from suite.core.spec import LogUniform\n" + broken_files.RAISES.replace(
    "    steps: int = 6\n",
    "    steps: int = 6\n    rate: float = 1.0\n    space = {'rate': LogUniform(0.1, 10.0)}\n",
)


@pytest.mark.parametrize("limit", [[], ["--seconds", "5"]])
def test_a_method_that_fails_gives_exit_code_1_and_no_file(
    path: Path, tmp_path: Path, limit: list[str]
) -> None:
    """In its tries, or already where its outer steps are timed."""
    (tmp_path / "raises.py").write_text(TUNABLE)
    head, tail = TUNED[: TUNED.index("[method.dm]")], TUNED[TUNED.index("[evaluator") :]
    path.write_text(f'{head}[method.mine]\nbase = "raises.py"\nipc = [1]\n\n{tail}')
    ran = ratbench("tune", path, "--tries", "2", "--inline", *limit)
    assert ran.exit_code == 1, ran.output
    assert "failed: mine on digits:holdout ipc 1 seed 3: RuntimeError: the method is broken" in ran.stdout
    assert "run the same command again" in ran.stdout
    assert not list(tmp_path.rglob("settings.toml"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tries", "2", "--seconds", "0"), "--seconds 0.0 must be a number above 0"),
        (("--tries", "2", "--seconds", "-1"), "--seconds -1.0 must be a number above 0"),
        (("--tries", "2", "--seconds", "nan"), "--seconds nan must be a number above 0"),
        (("--tries", "2", "--output", "tuned.toml"), "--output tuned.toml is the grid itself"),
        (("--tries", "2", "--output", "taken.toml"), "--output would replace another file: taken.toml"),
        (("--tries", "2", "--time-limit", "soon"), "--time-limit 'soon'"),
        (
            ("--tries", "2", "--set", "method.dm.image_rl=3"),
            "unknown key 'image_rl'; did you mean 'image_lr'",
        ),
        (("--tries", "2", "--set", 'tasks=["digits:holdout"]'), "'digits:holdout' is already a holdout"),
        (("--tries", "2", "--set", "ipc=[500]", "--set", "method.pieces.ipc=[500]"), "lower ipc"),
    ],
)
def test_what_cannot_be_is_refused(path: Path, options: tuple[str, ...], message: str) -> None:
    Path("taken.toml").write_text('title = "another"\n')
    refused(ratbench("tune", path, "--inline", *options), message)
    assert not Path("runs").exists()


@pytest.mark.parametrize("tries", ["0", "-1", "two"])
def test_there_is_at_least_one_try(path: Path, tries: str) -> None:
    assert ratbench("tune", path, "--tries", tries).exit_code == 2
    assert ratbench("tune", path).exit_code == 2  # a number that nobody chose is none


def test_a_task_whose_classes_cannot_give_an_image_away(path: Path, tmp_path: Path) -> None:
    from PIL import Image

    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "few" / split / name).mkdir(parents=True)
            shade = 40 if name == "a" else 200
            Image.new("L", (8, 8), shade).save(tmp_path / "few" / split / name / "0.png")
    path.write_text(
        TUNED.replace('"digits"', f'"folder:{tmp_path}/few"').replace("ipc = [1, 2]", "ipc = [1]")
    )
    refused(
        ratbench("tune", path, "--tries", "2", "--inline"), "a class of 1 images is too small to hold out"
    )
