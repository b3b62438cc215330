"""Pages say what is so: their Python runs, their grids load, commands and files that they name exist."""

import re
import shlex
from pathlib import Path

import pytest

from suite.__main__ import app
from suite.experiments import grid
from suite.experiments.tables import grid_files

ROOT = Path(__file__).parents[2]
RUN_ELSEWHERE = ("add-a-method.md", "add-an-evaluator.md")  # whole tutorials, with tests of their own
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN = [page for page in PAGES if page.parent == ROOT / "docs" and page.name not in RUN_ELSEWHERE]
CALLED = [each for each in app.registered_commands if each.callback]
COMMANDS = {each.name or each.callback.__name__: each.callback for each in CALLED if each.callback}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


@pytest.mark.parametrize("page", [page for page in OWN if blocks(page, "python")], ids=lambda page: page.stem)
@pytest.mark.usefixtures("elsewhere")
def test_python_runs(page: Path) -> None:
    """The blocks of a page are one program."""
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(block, names)
    if page.stem == "python":
        assert isinstance(accuracy := names["accuracy"], float) and 0.1 < accuracy <= 1


@pytest.mark.parametrize("page", [page for page in OWN if blocks(page, "toml")], ids=lambda page: page.stem)
def test_grids_load(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        if "title" in block:
            (tmp_path / "grid.toml").write_text(block)
            assert grid.jobs(grid.load(tmp_path / "grid.toml"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_there(page: Path) -> None:
    text = page.read_text()
    lines = [line for block in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S) for line in block.splitlines()]
    lines += re.findall(r"`(ratbench [^`\n]*)`", text)
    for line in (line for line in lines if line.startswith("ratbench ")):
        _, command, *words = shlex.split(line, comments=True)
        if command in COMMANDS:
            options = {word.lstrip("-").split("=")[0] for word in words if word.startswith("--")}
            known = {name.strip("_").replace("_", "-") for name in COMMANDS[command].__annotations__}
            assert options <= known | {"no-compile", "cpu"}, line
        else:
            assert command in ("COMMAND", "--version", "--install-completion"), line
        if command == "run" and words and re.fullmatch(r"[a-z][a-z0-9-]+", words[0]):
            assert words[0] in grid_files.names(), line


@pytest.mark.parametrize("page", [*PAGES[:2], *OWN], ids=lambda page: page.stem)
def test_files_are_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`((?:suite|methods|evaluators|results|tests|docs)/[\w/.-]*)`", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"^make (\w+)|`make (\w+)`", text, re.M):
        assert f"\n{''.join(target)}:" in (ROOT / "Makefile").read_text()


def test_the_map_has_every_folder() -> None:
    """And the four things that a newcomer looks for."""
    text = (ROOT / "docs" / "map.md").read_text()
    folders = {path.parent for path in (ROOT / "suite").rglob("*.py")} - {ROOT / "suite"}
    top = {path for path in folders if path.parent == ROOT / "suite"}
    for folder in (*top, *(path for path in folders if path.parent == ROOT / "suite" / "core")):
        assert f"`{folder.relative_to(ROOT)}/`" in text
    for question in ("a rank computed", "one outer step do", "add a dataset", "a checkpoint written"):
        assert question in text
