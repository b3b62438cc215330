"""`ratbench atlas` and `ratbench reproduce`, from the printed figure to the status."""

from pathlib import Path

import pytest

from suite.cli.reproducing import reproduction
from tests.support.command_line import ratbench

FIGURES = """
[[reported]]
task = "digits"
method = "random_subset"
source = "a paper"
network = "convnet-d1-w8-in"
recipe = "300 epochs"
our_recipe = "dc-300"
preprocessing = "plain"
figures = [[1, 45.0, 0.9]]

[[reported]]
task = "digits"
method = "dm"
source = "a paper"
our_recipe = "native"
preprocessing = "plain"
figures = [[1, 60.0]]
"""

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(autouse=True)
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "figures.toml"
    path.write_text(FIGURES)
    monkeypatch.setattr(reproduction, "REPORTED", path)
    return path


def test_a_cell_runs_as_printed_and_ends_with_its_status() -> None:
    options = ("--seeds", "2", "--copies", "2", "--inline")
    ran = ratbench("reproduce", "random_subset", "digits", "1", *options)
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0] == "random_subset on digits, 1 image per class, network convnet-d1-w8-in"
    assert lines[1] == "printed: 45.0 ± 0.9 (a paper; 300 epochs); here recipe dc-300"
    assert "4 cells, 0 done, 4 to do (runs/reproductions)" in ran.stdout
    assert lines[-1].startswith("status: ") and lines[-1].endswith(" here, 45.0 ± 0.9 printed")
    assert lines[-1].split()[1] in ("reproduced", "off", "undecided")
    again = ratbench("reproduce", "random_subset", "digits", "1", *options, "--dry-run")
    assert again.exit_code == 0 and "4 cells, 4 done, 0 to do" in again.stdout
    assert again.stdout.splitlines()[-1] == lines[-1]
    page = ratbench("atlas", "runs/reproductions")
    assert page.exit_code == 0 and lines[-1].split(";")[0].removeprefix("status: ") in page.stdout


def test_a_changed_cell_stands_beside() -> None:
    options = ("--seeds", "1", "--copies", "1", "--inline", "--set", 'network="mlp-w8"')
    ran = ratbench("reproduce", "random_subset", "digits", "1", *options)
    assert ran.exit_code == 0, ran.output
    *_, beside, status = ran.stdout.splitlines()
    assert beside.startswith("other setting, not compared: ") and beside.endswith(" with mlp-w8")
    assert status == "status: not run; cost unknown; 45.0 ± 0.9 printed"


def test_differences_from_the_paper_are_told() -> None:
    ran = ratbench("reproduce", "dm", "digits", "1", "--dry-run")
    assert ran.exit_code == 0 and not Path("runs").exists()
    told, cells = ran.stdout.index("digits in matching and retraining"), ran.stdout.index("to do")
    assert told < cells and "cost: unknown" in ran.stdout[:told]
    assert ran.stdout.endswith("status: not run; cost unknown; 60.0 printed\n")


def test_a_cell_without_a_figure_is_refused() -> None:
    ran = ratbench("reproduce", "random_subset", "digits", "3", "--inline")
    assert ran.exit_code == 2 and "there are some at 1" in ran.stderr and not Path("runs").exists()


def test_an_atlas_is_written_and_checked(tmp_path: Path) -> None:
    store, page = tmp_path / "store", tmp_path / "out" / "atlas.md"
    (store / "records").mkdir(parents=True)
    wrote = ratbench("atlas", store, "--output", page)
    assert wrote.exit_code == 0 and f"wrote {page}" in wrote.stdout
    assert "not run; cost unknown" in page.read_text()
    assert ratbench("atlas", store, "--output", page, "--check").exit_code == 0
    page.write_text(page.read_text().replace("cost unknown", "cost known"))
    checked = ratbench("atlas", store, "--output", page, "--check")
    assert checked.exit_code == 1 and "does not match the records" in checked.stderr
    assert "cost known" in page.read_text()
