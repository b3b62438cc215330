"""Pairs of rows: by how much each is better, and whether the interval of the difference excludes zero."""

from collections.abc import Sequence
from dataclasses import dataclass

from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference, difference
from suite.board.tables import Table

MOST = 20
"""Rows of a matrix: the best ones. More can neither be read nor compared by chance."""

_CAPTION = """{measured}. Each cell: the row's mean minus the column's, in points. \
Coloured and bold: its 95% interval over sets and networks excludes zero. The intervals are not \
corrected for the number of pairs, {pairs}."""


@dataclass(frozen=True)
class Matrix:
    """The differences between the ranked rows of a table, best first; None on the diagonal."""

    table: Table
    rows: tuple[BoardRow, ...]
    cells: tuple[tuple[Difference | None, ...], ...]

    @staticmethod
    def text(found: Difference) -> str:
        """Return a difference in points, with its sign."""
        return f"{round(round(100 * found.mean, 6), 1) + 0.0:+.1f}".replace("-", "−")

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Differences between rows on {self.table.task} at {words.size(self.table.ipc)}"

    @property
    def caption(self) -> str:
        """Where it was measured, and what its cells are."""
        count = len(self.rows)
        left_out = len(self.table.ranked) - count
        told = _CAPTION.format(measured=words.measured(self.table), pairs=count * (count - 1) // 2)
        return told + (f" The {left_out} rows that rank last are left out." if left_out else "")


@dataclass(frozen=True)
class Tally:
    """How often a row won, lost or was undecided against the others, over several tables."""

    name: str
    won: int
    lost: int
    undecided: int

    @property
    def rate(self) -> float:
        """Share of won pairs; an undecided one counts half."""
        return (self.won + self.undecided / 2) / (self.won + self.lost + self.undecided)


def matrix(table: Table) -> Matrix | None:
    """Return the differences between the first `MOST` ranked rows; None with fewer than two."""
    rows = tuple(row for row, _ in table.ranked[:MOST])
    if len(rows) < 2:
        return None
    cells: list[list[Difference | None]] = [[None] * len(rows) for _ in rows]
    for at, first in enumerate(rows):
        for other in range(at + 1, len(rows)):
            found = difference(first.per_seed, rows[other].per_seed)
            cells[at][other] = found
            cells[other][at] = Difference(-found.mean, -found.high, -found.low, found.paired)
    return Matrix(table, rows, tuple(map(tuple, cells)))


def tallies(found: Sequence[Matrix]) -> list[Tally]:
    """Return the count of each row that is in all matrices, against the others that are, best first."""
    shared = sorted(set.intersection(*({row.name for row in each.rows} for each in found))) if found else []
    if len(found) < 2 or len(shared) < 2:
        return []
    counts = {name: [0, 0, 0] for name in shared}
    for each in found:
        for row, cells in zip(each.rows, each.cells, strict=True):
            for other, cell in zip(each.rows, cells, strict=True):
                if cell and {row.name, other.name} <= counts.keys():
                    counts[row.name][0 if cell.low > 0 else 1 if cell.high < 0 else 2] += 1
    return sorted(
        (Tally(name, *three) for name, three in counts.items()), key=lambda each: (-each.rate, each.name)
    )
