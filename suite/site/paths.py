"""Where pages stand in the site."""

from suite.board.render.words import slugged
from suite.board.rows import BoardRow
from suite.board.tables import Table

OVERALL = "overall.html"
"""The page of figures over all tables."""

GALLERY = "gallery.html"
"""The page with the pictures of all sets."""


def method(label: str) -> str:
    """Return the path of a method's page; label: of its rows."""
    return f"methods/{slugged(label)}.html"


def sets(task: str, row: BoardRow) -> dict[int, str]:
    """Return the path of the page of each of a row's sets, by its seed; 0 if it was handed in."""
    seeds = [0] if row.submission else [seed for seed, _ in row.pictures]
    return {seed: artefact(task, row, seed) for seed in seeds}


def artefact(task: str, row: BoardRow, seed: int) -> str:
    """Return the path of the page of a row's set."""
    return f"artefacts/{slugged(task)}/{slugged(row.name)}-ipc{row.size}-seed{seed}.html"


def figures(table: Table) -> str:
    """Return the path of the page with the figures of a task and network at all sizes."""
    how = ", ".join(filter(None, (table.network, table.conditions))) or "none"
    return f"figures/{slugged(table.task)}/{slugged(how)}.html"


def to_root(path: str) -> str:
    """Return the way from the page at `path` to the root of the site: "", or "../" for each folder."""
    return "../" * path.count("/")
