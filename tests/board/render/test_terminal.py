"""The board for a terminal."""

import pytest
from rich.console import Console

from suite.board.render.terminal import terminal
from suite.board.tables import board
from tests.support.board_records import (
    SMALL,
)


def test_the_terminal_shows_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    for table in terminal(board(SMALL)):
        Console(width=80).print(table)
    assert "82.0 [80.0, 84.0]" in capsys.readouterr().out
