"""What the command line says: on the terminal, and where something went wrong, in one line."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

console = Console()
errors = Console(stderr=True)
P = ParamSpec("P")


def readable(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a user can mend into one message and exit code 2."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        warnings.showwarning = _warn
        try:
            command(*args, **kwargs)
        except (ValueError, OSError) as error:
            _fail(str(error))

    return wrapped


def _warn(message: Any, *_: Any, **__: Any) -> None:
    errors.print(f"[yellow]warning:[/] {escape(str(message))}", highlight=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    errors.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
