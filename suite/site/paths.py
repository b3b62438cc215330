"""Where pages stand in the site."""

import hashlib
import re

from suite.board.rows import BoardRow
from suite.board.tables import Table

OVERALL = "overall.html"
"""The page of figures over all tables."""

GALLERY = "gallery.html"
"""The page with the pictures of all sets."""

_LONGEST = 60  # characters of a name in a path


def method(label: str) -> str:
    """Return the path of a method's page; label: of its rows."""
    return f"methods/{slug(label)}.html"


def artefact(task: str, row: BoardRow, seed: int) -> str:
    """Return the path of the page of the set that a row distilled with `seed`."""
    return f"artefacts/{slug(task)}/{slug(row.name)}-ipc{row.size}-seed{seed}.html"


def figures(table: Table) -> str:
    """Return the path of the page with the figures of a task and network at all sizes."""
    how = ", ".join(filter(None, (table.network, table.conditions))) or "none"
    return f"figures/{slug(table.task)}/{slug(how)}.html"


def to_root(path: str) -> str:
    """Return the way from the page at `path` to the root of the site: "", or "../" for each folder."""
    return "../" * path.count("/")


def slug(text: str) -> str:
    """Return a name for files: short, the same for no other text, also where case is ignored."""
    plain = re.sub(r"[^a-z0-9_.]+", "-", text.casefold()).strip("-.")[:_LONGEST]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return plain if plain == text != "" else f"{plain}-{digest}".lstrip("-")
