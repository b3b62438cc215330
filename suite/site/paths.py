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


def artefact(task: str, row: BoardRow, seed: int) -> str:
    """Return the path of the page of the set that a row distilled with `seed`."""
    return f"artefacts/{slugged(task)}/{slugged(row.name)}-ipc{row.size}-seed{seed}.html"


def figures(table: Table) -> str:
    """Return the path of the page with the figures of a task and network at all sizes."""
    how = ", ".join(filter(None, (table.network, table.conditions))) or "none"
    return f"figures/{slugged(table.task)}/{slugged(how)}.html"


def to_root(path: str) -> str:
    """Return the way from the page at `path` to the root of the site: "", or "../" for each folder."""
    return "../" * path.count("/")
