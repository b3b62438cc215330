"""docs/add-a-method.md is run: its files are written, its commands called, its package installed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from suite.board import files
from suite.core.training.recipes import RECIPES
from suite.plugins import registry
from suite.records.cells import Trial
from tests.support.command_line import ratbench, refused
from tests.support.recipes import replaced

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "add-a-method.md").read_text()
NAME = "mini_batch_k_means"

pytestmark = pytest.mark.usefixtures("elsewhere")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


@pytest.fixture
def folder(tmp_path: Path, elsewhere: None) -> Path:
    """The files of the page, in the working directory."""
    (method, test), (grid, project) = blocks("python"), blocks("toml")
    files = {f"{NAME}.py": method, f"test_{NAME}.py": test, "mine.toml": grid, "pyproject.toml": project}
    for name, text in files.items():
        assert name in TEXT
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the page's package is installed."""
    target = folder / "installed"
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(folder)]
    subprocess.run(pip, check=True, capture_output=True)
    (folder / f"{NAME}.py").unlink()  # so that nothing but the installed one can be found
    monkeypatch.syspath_prepend(target)
    registry._plugins.cache_clear()
    yield target
    registry._plugins.cache_clear()
    sys.modules.pop(NAME, None)


@pytest.fixture
def short() -> Iterator[None]:
    """Networks are trained for a moment."""
    with replaced(replace(RECIPES["dsa-1000"], epochs=5)):
        yield


@pytest.mark.usefixtures("short")
def test_its_commands_run_in_their_order(folder: Path) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert [command.split()[1] for command in commands] == ["check", "run", "leaderboard", "leaderboard"]
    for command in commands:
        program, *words = command.split()
        ran = ratbench(*words)
        assert program == "ratbench" and ran.exit_code == 0, ran.output
    board = (folder / "board.md").read_text()
    assert NAME in board and "random_subset" in board


def test_its_test_passes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    names: dict[str, object] = {}
    exec((folder / f"test_{NAME}.py").read_text(), names)
    checks = [value for name, value in names.items() if name.startswith("test_")]
    assert len(checks) == 1 and callable(checks[0])
    checks[0]()
    sys.modules.pop(NAME, None)


@pytest.mark.usefixtures("short")
def test_an_installed_package_brings_its_method(installed: Path) -> None:
    """Into lists, grids and records, in this process and in others."""
    assert "my_k_means" in registry.names("method")
    listed = ratbench("list", "methods").stdout
    assert re.search(r"my_k_means +Centres of each class's images", listed)
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


def test_a_plug_in_does_not_take_the_name_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "tests.support.broken_methods:Careless"
    points = [EntryPoint(name, value, "ratbench.methods") for name in ("herding", "twice", "twice", "once")]
    monkeypatch.setattr(registry, "_plugins", lambda kind: points if kind == "method" else ())
    assert registry.method("once").__name__ == "Careless"
    refused(ratbench("show", "herding"), "'herding' comes with", "RaT-Bench itself")
    refused(ratbench("show", "twice"), "rename its entry point")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("no_such_module:Method", ("'odd' of", "cannot be imported", "no_such_module")),
        ("tests.support.broken_methods:ClassVar", ("'odd' of", "must be a frozen dataclass")),
    ],
)
def test_a_plug_in_that_is_no_method_is_refused(
    value: str, parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("odd", value, "ratbench.methods")
    monkeypatch.setattr(registry, "_plugins", lambda kind: (point,) if kind == "method" else ())
    refused(ratbench("show", "odd"), *parts)
