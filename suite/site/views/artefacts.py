"""A page for each artefact: a set that a row distilled with one seed."""

from collections.abc import Iterator

from suite.site import paths
from suite.site.rendering import File, page
from suite.site.source import Source


def pages(source: Source) -> Iterator[File]:
    """Yield a page for each set of the board's rows."""
    for table in source.board.tables:
        for row in table.rows:
            for seed, trial in row.pictures:
                path = paths.artefact(table.task, row, seed)
                yield page(path, "artefact.html", table=table, row=row, seed=seed, trial=trial)
