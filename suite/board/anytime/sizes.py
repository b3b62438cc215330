"""Curves of accuracy over images per class, where one set serves several sizes by its prefixes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from suite.board.anytime.curves import area
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference
from suite.board.tables import Table

_FEWEST = 3
"""Sizes of a curve: the mean of two says no more than their tables."""


@dataclass(frozen=True)
class SizeCurve:
    """The accuracy of a set and its prefixes, or of the sets made for each size.

    rows: the row in the table of each size, None where there is none; area: the mean accuracy over the
    logarithm of images per class, None if cells are missing.
    """

    name: str
    label: str
    rows: tuple[BoardRow | None, ...]
    area: Difference | None

    @property
    def device_seconds(self) -> float:
        """Device-seconds of its sets: of one, or of one for each size."""
        return sum({row.size: row.costs.device_seconds for row in self.rows if row}.values())


@dataclass(frozen=True)
class AnySize:
    """The curves of a place, best area first. sizes: images per class."""

    tables: tuple[Table, ...]
    sizes: tuple[int, ...]
    curves: tuple[SizeCurve, ...]


def any_size(tables: Iterable[Table]) -> tuple[AnySize, ...]:
    """Return the curves of tables that differ in their size only, over the sizes of sets with prefixes."""
    ordered = sorted(tables, key=lambda each: (*_place(each), each.ipc))
    found = (_curves(tuple(group)) for _, group in groupby(ordered, key=_place))
    return tuple(each for each in found if each)


def _place(table: Table) -> tuple[object, ...]:
    return table.task, table.network, table.within or (), table.conditions


def _curves(every: Sequence[Table]) -> AnySize | None:
    several = {row.line for table in every for row in table.rows if row.ipc != row.size}
    tables = tuple(table for table in every if several & {row.line for row in table.rows})
    if len(tables) < _FEWEST:
        return None
    sizes = tuple(table.ipc for table in tables)
    lines = dict.fromkeys(row.line for table in tables for row in table.rows)
    curves = [_curve(line, tables, sizes) for line in lines]
    shown = [each for each in curves if sum(row is not None for row in each.rows) > 1]
    shown.sort(key=lambda each: (each.area is None, -each.area.mean if each.area else 0.0, each.name))
    return AnySize(tables, sizes, tuple(shown))


def _curve(line: str, tables: Sequence[Table], sizes: Sequence[int]) -> SizeCurve:
    rows = tuple(next((row for row in table.rows if row.line == line), None) for table in tables)
    label = next(row.label for row in rows if row)
    return SizeCurve(line, label, rows, area(rows, sizes))
