"""A page for each method: its rows in all tables."""

from collections.abc import Iterator

from suite.site import paths
from suite.site.rendering import File, page
from suite.site.source import Source


def pages(source: Source) -> Iterator[File]:
    """Yield a page for each label of a row."""
    titles = {each.label: each for each in source.board.methods}
    labels = sorted({row.label for table in source.board.tables for row in table.rows})
    for label in labels:
        rows = [
            (table, row) for table in source.board.tables for row in table.rows if row.label == label
        ]
        yield page(paths.method(label), "method.html", label=label, method=titles.get(label), rows=rows)
