"""docs/add-a-method.md is run: its files are written, its commands called, its package installed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from suite.board import files
from suite.core.training.recipes import RECIPES
from suite.plugins import registry
from suite.records.cells import Trial
from tests.support import pages
from tests.support.command_line import ratbench
from tests.support.packages import ROOT, install
from tests.support.recipes import replaced

PAGE, NAME = "add-a-method.md", "mini_batch_k_means"

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def folder(tmp_path: Path, elsewhere: None) -> Path:
    """The files of the page, in the working directory."""
    (method, test), (grid, project) = pages.blocks(PAGE, "python"), pages.blocks(PAGE, "toml")
    written = {f"{NAME}.py": method, f"test_{NAME}.py": test, "mine.toml": grid, "pyproject.toml": project}
    pages.write(tmp_path, PAGE, written)
    return tmp_path


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page's package is installed."""
    target = install(folder, folder / "installed")
    (folder / f"{NAME}.py").unlink()  # so that only the installed one can be found
    monkeypatch.syspath_prepend(target)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return target


@pytest.fixture
def short() -> Iterator[None]:
    """The leaderboard's recipe has five epochs."""
    with replaced(replace(RECIPES["dsa-1000"], epochs=5)):
        yield


@pytest.mark.usefixtures("short")
def test_its_commands_run_in_their_order(folder: Path) -> None:
    commands = [line for block in pages.blocks(PAGE, "sh") for line in block.splitlines()]
    assert [command.split()[1] for command in commands] == ["check", "run", "leaderboard", "leaderboard"]
    pages.run(commands)
    board = (folder / "board.md").read_text()
    assert NAME in board and "random_subset" in board


def test_its_test_passes(folder: Path) -> None:
    pages.only_test(folder / f"test_{NAME}.py")()


@pytest.mark.usefixtures("short")
def test_an_installed_package_brings_its_method(installed: Path) -> None:
    """Into lists, grids and records, in this process and in others."""
    assert "my_k_means" in registry.names("method")
    assert re.search(r"my_k_means +Mini-batch k-means", ratbench("list", "methods").stdout)
    grid = Path("mine.toml")
    lines = grid.read_text().replace(f"[method.{NAME}]", "[method.my_k_means]").splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("base"))
    grid.write_text(kept.replace("[0, 1]", "[0]"))
    ran = ratbench("run", grid, "--inline", "--store", "store")
    assert ran.exit_code == 0, ran.output
    cells = [record.cell for record in files.read([Path("store")]).records]
    sources = {cell.method: cell.source for cell in cells if isinstance(cell, Trial)}
    assert sources["random_subset"] == "" and len(sources["my_k_means"]) == 64
    elsewhere = subprocess.run(
        [sys.executable, "-m", "suite", "list", "methods"],
        env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "my_k_means" in elsewhere.stdout
