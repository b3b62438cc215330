"""Records in memory, by cell: to ask for thousands of cells without a look on disk for each."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from suite.records.record import Record


class Recorded(Protocol):
    """What tells which cells are recorded: a store, or an index."""

    def record(self, cell: str, data: str = "") -> Record | None:
        """Return the record of the cell with this id on these data; "" for any data."""
        ...

    def records(self, cell: str) -> Iterator[Record]:
        """Yield the records of a cell, one for each data."""
        ...


class Index:
    """The finished and diverged ones of `records`, by the ids of their cells."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._cells = dict[str, list[Record]]()
        for record in records:
            if record.status in ("done", "diverged"):
                self._cells.setdefault(record.cell.id, []).append(record)

    def record(self, cell: str, data: str = "") -> Record | None:
        """Return the record of the cell with this id on these data; "" for any data."""
        return next((record for record in self.records(cell) if data in ("", record.data)), None)

    def records(self, cell: str) -> Iterator[Record]:
        """Yield the records of a cell, one for each data."""
        yield from self._cells.get(cell, ())
