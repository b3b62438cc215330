"""The index: every table of the board."""

from collections.abc import Iterator

from suite.site.rendering import File, page
from suite.site.source import Source


def pages(source: Source) -> Iterator[File]:
    """Yield the index."""
    yield page("index.html", "index.html", board=source.board)
