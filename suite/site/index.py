"""The index: every table of the board, to sort, filter and search; and a page for each table as it is."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from suite.site.rendering import File, page
from suite.site.source import Source
from suite.site.view import data
from suite.site.view.tables import views

STATIC_ROWS, PAGE_ROWS = 100, 500
"""Most rows that need no script: of the first table in the index, and of a table on its page."""

INLINE = 500_000
"""Bytes of rows in the index itself; those of further tables are loaded when they are chosen."""


def pages(source: Source) -> Iterator[File]:
    """Yield the index, the rows that it loads later, and the pages of the tables."""
    found = views(source.board)
    rows = {view.slug: data.content(view) for view in found}
    inline = _fitting(rows)
    for slug in sorted(rows.keys() - inline):
        yield File(f"data/{slug}.js", f'ratbench.add("{slug}",{rows[slug]});\n'.encode())
    for view in found:
        yield page(f"tables/{view.slug}.html", "table.html", view=view, limit=PAGE_ROWS)
    shown = {slug: rows[slug] for slug in inline}
    facts = {"board": source.board, "overview": data.overview(found), "limit": STATIC_ROWS}
    yield page("index.html", "index.html", views=found, rows=shown, **facts)


def _fitting(rows: Mapping[str, str]) -> list[str]:
    """Return the first tables, by their slugs, whose rows the index can hold."""
    sizes = accumulate(len(text.encode()) for text in rows.values())
    return [slug for slug, size in zip(rows, sizes, strict=True) if size <= INLINE]
