"""What is published is what was measured."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from suite import leaderboard, publish

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"


def test_the_board_is_what_the_records_give() -> None:
    assert publish.difference([RESULTS], RESULTS / "leaderboard.md", "md") == ""


def test_every_picture_that_the_board_shows_is_there() -> None:
    links = re.findall(r"\]\(([^)]+\.png)\)", (RESULTS / "leaderboard.md").read_text())
    assert links and all((RESULTS / link).is_file() for link in links)


def test_every_cell_of_the_grid_is_done_on_the_real_images() -> None:
    found = leaderboard.read([RESULTS])
    done = {record.cell.id for record in found.records if record.status == "done"}
    assert not found.warnings and {item.cell.id for item in found.planned} <= done


def test_the_readme_shows_the_boards_rows() -> None:
    """Every row of the README's table stands, with the same accuracy, in the leaderboard."""
    board = [cells(line) for line in (RESULTS / "leaderboard.md").read_text().splitlines()]
    readme = (ROOT / "README.md").read_text().partition("## Two commands")[0]
    rows = [cells(line) for line in readme.splitlines() if line.startswith("| `")]
    assert len(rows) == 17
    for name, *shown in rows:
        scores = [
            row[2] for row in board if len(row) > 9 and name_of(row) == name
        ]  # one image per class, ten
        assert scores == [cell for cell in shown if cell != "–"]


@pytest.mark.parametrize("name", ["gradient_matching", "siamese_augmentation", "multi_formation", "kip"])
def test_a_method_says_how_far_it_is_from_what_its_paper_prints(name: str) -> None:
    """In its docstring's last line, and with the board's figures."""
    last = (import_module(f"methods.{name}").__doc__ or "").strip().splitlines()[-1]
    ours, _, printed = last.partition(" at 1 ")
    board = [cells(line) for line in (RESULTS / "leaderboard.md").read_text().splitlines()]
    rows = [row for row in board if len(row) > 9 and name_of(row) == f"`{name}`"]
    # The column of its own recipe, which says "same" where the standard one is that.
    native = [row[2] if row[5] == "same" else row[5] for row in rows]
    for figure, shown in zip(re.findall(r"(\d+\.\d)%", ours), native, strict=True):
        assert shown.startswith(f"{figure} ")
    assert "printed" in printed


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def name_of(row: list[str]) -> str:
    """Return a row's method without the marks of its footnotes."""
    return row[1].partition(" ")[0]
