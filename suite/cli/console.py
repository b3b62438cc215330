"""Output of the command line: help, lines, and one line per error."""

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from suite.cli.running.deadline import Stopped

console = Console(width=None if sys.stdout.isatty() else 160)  # do not fold lines in files and pipes
errors = Console(stderr=True)
P = ParamSpec("P")


def add(app: typer.Typer, command: Callable[P, None], name: str | None = None) -> None:
    """Register a command; its docstring is its help."""
    app.command(name, help=paragraphs(command))(readable(command))


def paragraphs(command: Callable[..., Any]) -> str:
    """Join each paragraph of a docstring to one line, which the terminal folds."""
    text = inspect.getdoc(command) or ""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def readable(command: Callable[P, None]) -> Callable[P, None]:
    """Print an error that the user can fix as one line, and exit with code 2."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        warnings.showwarning = _warn
        _log()
        try:
            command(*args, **kwargs)
        except (ValueError, OSError) as error:
            _fail(str(error))

    return wrapped


def say(line: str, *, to: Console = console) -> None:
    """Print a line without markup, colours or folding."""
    to.print(line, markup=False, highlight=False, soft_wrap=True)


def wrote(path: Path) -> None:
    """Print that a file was written."""
    say(f"wrote {path}")


def exit_with(complete: Callable[[], bool]) -> NoReturn:
    """Run a long command and exit: 0 if it is complete, 1 if not, 75 if stopped, 130 if interrupted."""
    try:
        done = complete()
    except Stopped as reason:
        say(f"stopped, since {reason}; run the same command again to go on")
        raise typer.Exit(os.EX_TEMPFAIL) from None
    except KeyboardInterrupt:
        say("interrupted; run the same command again to continue")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if done else 1)


class _Lines(logging.Handler):
    """Prints what the suite logs."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def _log() -> None:
    logger = logging.getLogger("suite")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(_Lines())


def _warn(message: Any, *_: Any, **__: Any) -> None:
    errors.print(f"[yellow]warning:[/] {escape(str(message))}", highlight=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    errors.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
