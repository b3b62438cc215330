"""The board as Markdown."""

from suite.board.files import render
from suite.board.tables import board
from tests.support.board_records import (
    SMALL,
    pair,
)


def test_one_seed_says_what_its_interval_lacks() -> None:
    text = render(board(pair("rat_bptt", (0.8, 0.9))), "md")
    assert "- 1 seed: no interval across distillations" in text and "`rat_bptt` |" in text
    mixed = render(board([*SMALL, *pair("kip", (0.8, 0.9))]), "md")
    assert "`kip` ¹ " in mixed and "- ¹ 1 seed: no interval across distillations" in mixed
    assert "one network: no interval" in render(board(pair("rat_bptt", (0.8,))), "md")
