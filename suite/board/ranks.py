"""Ranks within a table, and their average over tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from suite.board.rows import BoardRow
from suite.board.statistics.differences import middle_ranks, ranks


@dataclass(frozen=True)
class Average:
    """A row's mean rank over the compared tables, and its rank in each; tied rows share a mean rank."""

    name: str
    rank: float
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class Averages:
    """The rows that are complete in every compared table, best first. rows: number of all ranked rows."""

    complete: tuple[Average, ...] = ()
    rows: int = 0


def ranked(rows: Sequence[BoardRow]) -> tuple[BoardRow, ...]:
    """Return the rows, best first; incomplete rows come last and have no rank."""
    rows = sorted(rows, key=lambda row: row.name)
    complete = [row for row in rows if row.accuracy and not row.state]
    placed = [
        replace(row, rank=place.rank, behind=place.behind)
        for row, place in zip(complete, ranks([row.per_seed for row in complete]), strict=True)
    ]
    placed.sort(key=lambda row: -row.accuracy.mean if row.accuracy else 0.0)
    return (*placed, *(row for row in rows if not row.accuracy or row.state))


def averages(tables: Sequence[Sequence[BoardRow]]) -> Averages:
    """Return the average ranks of the rows that are complete in all tables with two ranked rows or more.

    These rows are ranked again without the others, which therefore have no influence. Empty with fewer than
    two such tables or rows.
    """
    found = [{row.name: row for row in rows if row.rank is not None} for rows in tables]
    compared = [rows for rows in found if len(rows) > 1]
    names = sorted(set.intersection(*(set(rows) for rows in compared))) if compared else []
    if len(compared) < 2 or len(names) < 2:
        return Averages()
    columns = [
        middle_ranks([place.rank for place in ranks([rows[name].per_seed for name in names])])
        for rows in compared
    ]
    complete = [
        Average(name, sum(ranks) / len(ranks), ranks)
        for name, ranks in zip(names, zip(*columns, strict=True), strict=True)
    ]
    complete.sort(key=lambda each: (round(each.rank, 9), each.name))
    return Averages(tuple(complete), len(set().union(*compared)))
