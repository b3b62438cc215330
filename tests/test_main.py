"""The command line as a whole: its commands, version, help and completion."""

import re
from importlib.metadata import version
from itertools import pairwise

import pytest

from suite.__main__ import app
from tests.support.command_line import ratbench

COMMANDS = [
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
]


def test_help_names_every_command() -> None:
    result = ratbench("--help")
    assert result.exit_code == 0 and len(COMMANDS) >= 11
    for command in COMMANDS:
        assert f" {command} " in result.stdout
    assert "--install-completion" in result.stdout


def test_the_version_is_the_packages() -> None:
    assert ratbench("--version").stdout == f"ratbench {version('rat-bench')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_short_form_and_folds_whole_paragraphs(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the text ends where no further word fits, or with its sentence."""
    monkeypatch.setenv("COLUMNS", "80")
    result = ratbench(command, "-h")
    assert result.exit_code == 0 and result.stdout == ratbench(command, "--help").stdout
    prose = result.stdout.partition("Usage:")[2].partition("╭")[0].splitlines()[2:]
    lines = [line.strip() for line in prose]
    for line, following in pairwise(lines):
        if line and following:
            assert len(line) + len(f" {following.split()[0]}") > 78
    shown = [paragraph for paragraph in "\n".join(lines).split("\n\n") if paragraph]
    assert shown[0].endswith(".") and re.match(r"\s*ratbench", shown[-1])
