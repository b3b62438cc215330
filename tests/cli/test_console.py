"""What the command line prints: plain lines, one for each error, and exit codes."""

import io
import logging
import warnings
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from suite.cli.console import add, exit_with, paragraphs, readable, say, wrote


def greet(name: str) -> None:
    """Say hello to
    somebody.

    It takes
    no time.
    """
    if name == "nobody":
        raise ValueError("nobody [red]cannot[/] be greeted")
    if name == "late":
        warnings.warn("it is late [bold]", stacklevel=1)
    logging.getLogger("suite.some.module").info("%s is [met]", name)
    say(f"hello [bold]{name}")


def test_a_docstring_is_one_line_a_paragraph() -> None:
    assert paragraphs(greet) == "Say hello to somebody.\n\nIt takes no time."


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    add(made, greet)
    add(made, greet, "welcome")
    return made


def test_commands_have_their_name_and_help(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert " greet " in result.stdout and " welcome " in result.stdout
    assert "Say hello to somebody." in result.stdout


def test_an_error_is_one_line_and_exit_code_2(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["greet", "nobody"])
    assert result.exit_code == 2
    assert result.stderr == "error: nobody [red]cannot[/] be greeted\n"


def test_a_warning_is_one_line_and_no_markup(app: typer.Typer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = CliRunner().invoke(app, ["greet", "late"])
    assert result.exit_code == 0 and result.stderr == "warning: it is late [bold]\n"
    assert result.stdout == "late is [met]\nhello [bold]late\n"


def test_what_the_suite_logs_is_printed_once(app: typer.Typer) -> None:
    for _ in range(2):
        result = CliRunner().invoke(app, ["greet", "Ada"])
        assert result.stdout == "Ada is [met]\nhello [bold]Ada\n" and result.stderr == ""


def test_other_errors_are_not_hidden() -> None:
    def broken() -> None:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        readable(broken)()


def test_a_line_is_neither_folded_nor_coloured() -> None:
    output = io.StringIO()
    say("x" * 100 + " [red]", to=Console(file=output, width=20))
    assert output.getvalue() == "x" * 100 + " [red]\n"


def test_a_written_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    wrote(Path("folder") / "file.png")
    assert capsys.readouterr().out == "wrote folder/file.png\n"


def test_exit_codes_of_long_commands(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    codes = []
    for complete in (lambda: True, lambda: False, interrupted):
        with pytest.raises(typer.Exit) as ended:
            exit_with(complete)
        codes.append(ended.value.exit_code)
    assert codes == [0, 1, 130]
    assert capsys.readouterr().out == "interrupted; run the same command again to continue\n"
