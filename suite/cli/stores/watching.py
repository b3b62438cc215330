"""Show the status of a store, once or until all is done."""

import json
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

from rich.live import Live

from suite.cli.console import console, say, write
from suite.cli.stores.status import Status, Watched
from suite.cli.stores.status_view import lines, view

SECONDS = 2.0
"""Seconds between two looks at a store, or five times as long as a look takes."""


def show(path: Path, format: Literal["text", "json"]) -> None:
    """Print the status of a store."""
    status = Watched(path).status()
    if format == "json":
        write(json.dumps(status.fields(), indent=1) + "\n")
    else:
        console.print(view(status), soft_wrap=not console.is_terminal)


def watch(path: Path) -> None:
    """Show the status until all is done or Ctrl-C; in a pipe, lines when something has changed."""
    watched = Watched(path)
    try:
        if console.is_terminal:
            _live(watched)
        else:
            _plain(watched)
    except KeyboardInterrupt:
        return


def _live(watched: Watched) -> None:
    status, pause = _look(watched)
    with Live(view(status, brief=True), console=console, auto_refresh=False) as live:
        while not status.over:
            sleep(pause)
            status, pause = _look(watched)
            live.update(view(status, brief=True), refresh=True)


def _plain(watched: Watched) -> None:
    said: list[str] = []
    while True:
        status, pause = _look(watched)
        now = [line for line in lines(status) if not line.startswith("  ")]
        for line in (line for line in now[1:] if line not in said):
            say(line)
        said = now
        if status.over:
            return
        sleep(pause)


def _look(watched: Watched) -> tuple[Status, float]:
    started = monotonic()
    return watched.status(), max(SECONDS, 5 * (monotonic() - started))
