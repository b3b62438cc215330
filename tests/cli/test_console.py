"""What the command line prints: plain lines, one for each error, and exit codes."""

import io
import json
import logging
import warnings
from pathlib import Path

import pytest
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from suite.cli.console import (
    MOST_CHARACTERS,
    Plain,
    add,
    brief,
    exit_with,
    paragraphs,
    readable,
    say,
    write,
    wrote,
)


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


HOSTILE = "[/x]\x1b[2J[red]\x9b31m\u202e:smile:\r"
SHOWN = r"[/x]\u001b[2J[red]\u009b31m\u202e:smile:"


def test_text_of_records_is_shown_and_not_obeyed() -> None:
    output = io.StringIO()
    console = Plain(file=output, width=200)
    table = Table("name", HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE, Text("\x1b[2J"))
    console.print(table)
    console.print(HOSTILE)
    say(HOSTILE, to=console)
    assert output.getvalue().count(SHOWN) >= 4
    assert not set(output.getvalue()) & set("\x1b\x9b\u202e\r")


def test_styles_and_live_tables_remain() -> None:
    output = io.StringIO()
    console = Plain(file=output, width=80, force_terminal=True, color_system="standard")
    console.print(Text("fail", "red"))
    with Live(Text(HOSTILE), console=console):
        pass
    assert "\x1b[31mfail\x1b[0m" in output.getvalue()
    assert SHOWN in output.getvalue() and "\x1b[2J" not in output.getvalue()


def test_what_stands_in_files_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    write(json.dumps({"label": HOSTILE}, ensure_ascii=False) + "\n")
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"label": HOSTILE} and not set(shown) & set("\x1b\x9b\u202e")


def test_a_long_error_is_cut() -> None:
    assert brief("a\n  b") == "a b"
    assert brief("x" * 10**6) == "x" * MOST_CHARACTERS + " …"
