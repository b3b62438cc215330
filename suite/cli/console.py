"""Output of the command line: help, lines, and one line per error."""

import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from suite.cli.environment import mute, prepare
from suite.cli.running.deadline import Stopped, stopped
from suite.core.files.atomic_write import DiskFault
from suite.records.remote.place import copies, url_of

P = ParamSpec("P")

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that command a terminal, that turn text around, or that cannot be seen or printed."""

MOST_CHARACTERS = 300
"""Characters of an error that are printed."""

prepare()


class Plain(Console):
    """A console that shows text as it is: records may hold markup, and commands for the terminal.

    Strings have no markup or emoji; rich's `Text` has styles.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Go on in silence: a run is more than its output."""
        self.quiet = True
        mute(self.file)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as it is printed, by which columns are measured."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of what is printed, with control characters made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def visible(text: str) -> str:
    r"""Return text with its control characters as JSON has them, except line ends and tabs.

    A copy of a store on an object store has the store's URL as its name.

    >>> print(visible("\x1b[31mred"))
    \u001b[31mred
    """
    for copy, url in copies.items():
        text = text.replace(copy, url)
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


console = Plain(width=None if sys.stdout.isatty() else 160)  # do not fold lines in files and pipes
errors = Plain(stderr=True)


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
            _refuse_remote(kwargs.get("output"))
            command(*args, **kwargs)
        except ValueError as error:
            _fail(str(error))
        except DiskFault as fault:
            _fail(str(fault))
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))

    return wrapped


def _refuse_remote(output: object) -> None:
    """Raise ValueError for a URL where files are to be written."""
    if isinstance(output, Path) and (url := url_of(output)):
        raise ValueError(f"--output {url}: output must be local; name a path on this machine")


def brief(text: str) -> str:
    """Return the beginning of an error on one line; the whole is in its traceback."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]} …"


def say(line: str, *, to: Console = console) -> None:
    """Print a line without markup, colours or folding."""
    to.print(visible(line), markup=False, highlight=False, emoji=False, soft_wrap=True)


def write(text: str) -> None:
    """Write text that stands in a file, too, to the standard output."""
    try:
        sys.stdout.write(visible(text))
        sys.stdout.flush()
    except BrokenPipeError:
        mute(sys.stdout)


def wrote(path: Path) -> None:
    """Print that a file was written."""
    say(f"wrote {path}")


def exit_with(complete: Callable[[], bool]) -> NoReturn:
    """Run a long command and exit: 0 if it is complete, 1 if not, 75 if stopped, 130 if interrupted."""
    try:
        done = complete()
    except Stopped as reason:
        say(stopped(reason))
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
    errors.print(Text.assemble(("warning:", "yellow"), " ", visible(str(message))), soft_wrap=True)


def _fail(message: str) -> NoReturn:
    errors.print(Text.assemble(("error:", "red"), " ", visible(message)), soft_wrap=True)
    raise typer.Exit(2)
