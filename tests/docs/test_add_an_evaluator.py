"""docs/add-an-evaluator.md is run: its files are written, its commands called, its package installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.board import files
from suite.experiments import grid
from suite.records.cells import Evaluation
from suite.records.record import Record
from suite.records.store import Store
from tests.support import pages
from tests.support.packages import ROOT, install

PAGE, NAME = "add-an-evaluator.md", "calibration"

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def folder(tmp_path: Path, elsewhere: None) -> Path:
    """The files of the page, in the working directory."""
    evaluator, test, halves = pages.blocks(PAGE, "python")
    grid, project, halves_grid = pages.blocks(PAGE, "toml")
    written = {
        f"{NAME}.py": evaluator,
        f"test_{NAME}.py": test,
        "mine.toml": grid,
        "pyproject.toml": project,
        "halves.py": halves,
        "halves.toml": halves_grid,
    }
    pages.write(tmp_path, PAGE, written)
    return tmp_path


def commands() -> list[str]:
    return [line for block in pages.blocks(PAGE, "sh") for line in block.splitlines()]


def evaluations(store: str) -> list[Record]:
    return [each for each in files.read([Path(store)]).records if isinstance(each.cell, Evaluation)]


def test_its_commands_run_in_their_order(folder: Path) -> None:
    pages.run([command for command in commands() if "halves" not in command])
    for record in evaluations("runs/mine"):
        assert isinstance(record.cell, Evaluation)
        assert (record.cell.evaluator, record.cell.base) == (NAME, f"{NAME}.py")
        assert len(record.cell.source) == 64 and len(record.scores["ece"]) == 2
    board = (folder / "board.md").read_text()
    assert "Calibration" in board and "calibration error" in board and "`herding`" in board


def test_its_test_passes(folder: Path) -> None:
    pages.only_test(folder / f"test_{NAME}.py")()


def test_an_installed_package_brings_its_evaluator(folder: Path) -> None:
    target = install(folder, folder / "installed")
    (folder / f"{NAME}.py").unlink()  # so that only the installed one can be found
    assert "my_calibration" in python(target, "-m", "suite", "list", "evaluators")
    grid = Path("mine.toml").read_text().replace(f"[evaluator.{NAME}]", "[evaluator.my_calibration]")
    Path("mine.toml").write_text(grid.replace(f'base = "{NAME}.py"\n', ""))
    python(target, "-m", "suite", "run", "mine.toml", "--inline", "--store", "store")
    assert {
        len(record.cell.source) for record in evaluations("store") if isinstance(record.cell, Evaluation)
    } == {64}


WORKER = """
from pathlib import Path

from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.records.store import Store

store = Store(Path("runs/halves"))
(job,) = (store.job(path.stem) for path in Path("runs/halves/jobs").iterdir())
list(run(job, store, Resources()))
"""
"""What a worker does that knows a job by its store alone."""


def test_a_methods_file_brings_the_rest_also_when_its_set_is_evaluated_later(folder: Path) -> None:
    pages.run([command for command in commands() if "halves" in command])
    (first,) = evaluations("runs/halves")
    assert isinstance(first.cell, Evaluation) and first.cell.settings["recipe"] == "halves-100"
    store, (job,) = Store(Path("runs/halves")), grid.jobs(grid.load(Path("halves.toml")))
    store.write_job(job)
    distilled = store.record(job.id)
    for path in Path("runs/halves/records").rglob(f"{first.cell.id}*"):
        path.unlink()
    assert not evaluations("runs/halves")
    python(folder, "-c", WORKER)
    (again,) = evaluations("runs/halves")
    assert again.scores["accuracy"] == first.scores["accuracy"]
    assert store.record(job.id) == distilled, "it was distilled again"


def python(path: Path, *words: str) -> str:
    """Run Python in a process of its own, for which the packages in `path` are installed."""
    environment = os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    program = [sys.executable, *words]
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
