"""The pages of docs/ as programs: their code blocks, written to files and run."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.command_line import ratbench
from tests.support.packages import ROOT


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page of docs/ in one language."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def write(folder: Path, page: str, files: dict[str, str]) -> None:
    """Write files whose names the page must tell."""
    text = (ROOT / "docs" / page).read_text()
    for name, content in files.items():
        assert f"`{name}`" in text
        (folder / name).write_text(content)


def run(commands: Sequence[str]) -> None:
    """Run lines that begin with `ratbench`; each must end well."""
    for command in commands:
        program, *words = command.split()
        ran = ratbench(*words)
        assert program == "ratbench" and ran.exit_code == 0, ran.output


def only_test(path: Path) -> Callable[[], None]:
    """Return the only test of a file, whose imports are looked for beside it first."""
    names: dict[str, object] = {}
    sys.path.insert(0, str(path.parent))
    try:
        exec(path.read_text(), names)
    finally:
        sys.path.remove(str(path.parent))
        sys.modules.pop(path.stem.removeprefix("test_"), None)
    (test,) = (value for name, value in names.items() if name.startswith("test_") and callable(value))
    return test
