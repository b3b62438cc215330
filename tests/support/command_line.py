"""The command line as tests call it."""

from pathlib import Path

from typer.testing import CliRunner, Result

from suite.__main__ import app


def ratbench(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(result: Result, *parts: str) -> None:
    """Expect exit code 2 and one line for the user, which names each of `parts`."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2 and "Traceback" not in result.output
    message = result.stderr.strip()
    assert message.startswith("error: ") and "\n" not in message
    for part in parts:
        assert part in message
