"""The index and the files that it loads."""

import json
import re
from pathlib import Path

import pytest

from suite.board.tables import Board, board
from suite.site import index
from suite.site.rendering import File
from suite.site.source import Source
from tests.support.board_records import SMALL, pair


def made(found: Board) -> dict[str, str]:
    files: list[File] = list(index.pages(Source((), found)))
    assert files[-1].path == "index.html"
    return {file.path: file.content.decode() for file in files}


def block(page: str, pattern: str) -> list[str]:
    return re.findall(rf'<script type="application/json" {pattern}>(.*)</script>', page)


def test_the_first_table_needs_no_script() -> None:
    page = made(board(SMALL))["index.html"]
    rows = re.findall(r"<tr>(.*?)</tr>", page.replace("\n", ""))
    assert len(rows) == 1 + len({each.label for each in SMALL})
    assert '<a href="methods/rat_bptt.html">rat_bptt</a> <code>rat_bptt</code>' in rows[1]
    assert '<td class="percent">82.0 [80.0, 84.0]</td>' in rows[1]


def test_rows_beyond_the_budget_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    found = board([*SMALL, *pair("dm", (0.5,), ipc=1), *pair("dc", (0.4,), ipc=50)])
    whole = made(found)
    slugs = block(whole["index.html"], 'data-rows="([^"]*)"')
    assert len(slugs) == 3 and not [path for path in whole if path.startswith("data/")]
    monkeypatch.setattr(index, "INLINE", 1500)
    parted = made(found)
    (inside,) = block(parted["index.html"], 'data-rows="[^"]*"')
    assert json.loads(inside)["title"].startswith("digits, 1 image per class")
    apart = {path: text for path, text in parted.items() if path.startswith("data/")}
    assert len(apart) == 2
    for path, text in apart.items():
        slug = Path(path).stem
        assert text.startswith(f'ratbench.add("{slug}",{{') and text.endswith("});\n")
        assert json.loads(text.removeprefix(f'ratbench.add("{slug}",').removesuffix(");\n"))["rows"]


def test_each_table_has_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PAGE_ROWS", 1)
    pages = made(board(SMALL))
    (page,) = [text for path, text in pages.items() if path.startswith("tables/")]
    assert page.count('<th scope="row">') == 2  # with full data
    assert "The first 1 of 2 rows." in page and "../index.html#table=digits" in page


def test_an_empty_board_says_so() -> None:
    page = made(board([]))["index.html"]
    assert "Nothing to show yet" in page and "<table" not in page
