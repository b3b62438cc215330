"""What is published is what was measured."""

import re
from pathlib import Path

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
    assert len(rows) == 16
    for name, *shown in rows:
        scores = [row[2] for row in board if len(row) > 9 and row[1] == name]  # one image per class, then ten
        assert scores == [cell for cell in shown if cell != "–"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
