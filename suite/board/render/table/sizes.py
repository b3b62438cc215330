"""Curves of accuracy over images per class as Markdown: a table for each place where sets have prefixes."""

from collections.abc import Iterator, Mapping

from suite.board.anytime.sizes import AnySize, SizeCurve, any_size
from suite.board.render import words
from suite.board.render.layout import code, escaped, link, markdown_table
from suite.board.render.table.anytime import accuracy
from suite.board.tables import Board

_INTRODUCTION = """Rows with "prefixes" have one set, whose first images serve as the smaller sets. Other rows
have one set for each size. **Mean**: accuracy in percent over the logarithm of images per class, with its 95%
interval. **Device time**: of all sets of a row together. Bold: rank 1 at this size."""


def sections(board: Board, papers: Mapping[str, str]) -> list[str]:
    """Return the paragraphs on all curves; none without prefixes. papers: the address of a label's paper."""
    found = any_size(board.tables)
    told = [part for each in found for part in _section(each, papers)]
    return ["## One set for many sizes", _INTRODUCTION, *told] if found else []


def _section(found: AnySize, papers: Mapping[str, str]) -> Iterator[str]:
    table = found.tables[0]
    place = ", ".join(filter(None, (table.task, words.network(table.network), table.conditions)))
    yield f"**{escaped(place)}**"
    columns = ["method", "mean", *map(str, found.sizes), "device time"]
    yield markdown_table(columns, [_cells(curve, papers) for curve in found.curves])


def _cells(curve: SizeCurve, papers: Mapping[str, str]) -> list[str]:
    return [
        link(code(curve.name), papers.get(curve.label, "")),
        words.spanned(curve.area, 100) if curve.area else "–",
        *map(accuracy, curve.rows),
        words.duration(curve.device_seconds) if curve.device_seconds else "–",
    ]
