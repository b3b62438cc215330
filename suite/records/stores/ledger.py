"""The records of several stores in a database on disk, and which of them a union takes.

A million records fit: memory holds one cell at a time.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from suite.records.cells import Trial
from suite.records.record import Record

_TABLE = """
create table record (
    number integer primary key, store integer, path text, cell text, data text, seal text, content text,
    trial text, made text, taken integer default 0, clashes integer default 0
)
"""


@dataclass(frozen=True)
class Entry:
    """A record of a store. store: its number; content: sha256 of the file; trial: of an evaluation, else "".

    made: for a trial the sha256 of its set.
    """

    number: int
    store: int
    path: Path
    cell: str
    data: str
    seal: str
    content: str
    trial: str
    made: str

    def same_data(self, other: "Entry") -> bool:
        """Return whether two records cannot both stand; unknown data may be any."""
        return self.data == other.data or "" in (self.data, other.data)


class Ledger:
    """Records of stores by number, the first of which counts first. Close it, and it is gone."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a file without a name
        self._db.execute(_TABLE)

    def close(self) -> None:
        """Remove the database."""
        self._db.close()

    def add(self, store: int, path: Path, content: bytes, record: Record) -> None:
        """Add a record, which was read from `content`."""
        row = (store, str(path), record.cell.id, record.data, record.sha256, sha256(content).hexdigest())
        trial = getattr(record.cell, "trial", "")
        made = record.artefact if isinstance(record.cell, Trial) else ""
        self._db.execute(
            "insert into record (store, path, cell, data, seal, content, trial, made)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, trial, made),
        )

    def decide(self) -> None:
        """Choose the records of the union: of two records of one cell on the same data, the first.

        An evaluation scores the set of its store: where another store's set is chosen, it is left out.
        """
        for name, columns in {"by_cell": "cell, store, path", "by_trial": "trial"}.items():
            self._db.execute(f"create index {name} on record ({columns})")
        for trials in (True, False):
            for _, group in groupby(self._entries("(trial = '') = ?", trials), lambda entry: entry.cell):
                self._choose(list(group))

    def _choose(self, entries: list[Entry]) -> None:
        """Choose among the records of one cell, which come in the order of their stores."""
        chosen: list[Entry] = []
        for entry in entries:
            before = [each for each in chosen if each.store < entry.store and each.same_data(entry)]
            if any(each.seal == entry.seal for each in before):
                continue
            if before:
                self._note(entry, clashes=before[0].number)
            elif self.scores_a_chosen_set(entry):
                chosen.append(entry)
                self._note(entry, taken=1)

    def _note(self, entry: Entry, **values: int) -> None:
        for column, value in values.items():
            query = f"update record set {column} = ? where number = ?"  # nosec B608 # our own columns
            self._db.execute(query, (value, entry.number))

    def scores_a_chosen_set(self, entry: Entry) -> bool:
        """Return whether the set of an evaluation's store is the chosen one; True for other cells."""
        if not entry.trial:
            return True
        own, chosen = self.own_set(entry.store, entry.trial, entry.data), self.set(entry.trial, entry.data)
        return chosen is None or own == chosen

    def own_set(self, store: int, trial: str, data: str) -> str | None:
        """Return the sha256 of a store's set of a trial on some data; None without a record."""
        return self._made("store = ? and cell = ? and (data = ? or data = '' or ? = '')", store, trial, data)

    def set(self, trial: str, data: str) -> str | None:
        """Return the sha256 of the chosen set of a trial on some data; None without a record."""
        return self._made("taken = ? and cell = ? and (data = ? or data = '' or ? = '')", 1, trial, data)

    def has(self, cell: str) -> bool:
        """Return whether a record of a cell is chosen."""
        return self._made("taken = ? and cell = ? and (data = ? or ? = '')", 1, cell, "") is not None

    def _made(self, where: str, number: int, cell: str, data: str) -> str | None:
        query = f"select made from record where {where} order by data = ? desc limit 1"  # nosec B608 # ours
        found = self._db.execute(query, (number, cell, data, data, data)).fetchone()
        return None if found is None else str(found[0])

    def clashes(self) -> Iterator[tuple[Entry, Entry]]:
        """Yield the records that are left out for another one, after that one."""
        for entry in self._entries("clashes > ?", 0):
            number = self._db.execute("select clashes from record where number = ?", (entry.number,))
            yield next(self._entries("number = ?", number.fetchone()[0])), entry

    def left_out(self) -> Iterator[Entry]:
        """Yield the evaluations that are left out, since they score a set that is."""
        for entry in self._entries("trial != '' and taken = 0 and clashes = ?", 0):
            if not self.scores_a_chosen_set(entry):
                yield entry

    def chosen(self, first: int) -> Iterator[tuple[Entry, bool]]:
        """Yield chosen records of the stores from `first` on, and whether their cell has an earlier one."""
        for _, group in groupby(self._entries("taken = ?", 1), lambda entry: entry.cell):
            for place, entry in enumerate(group):
                if entry.store >= first:
                    yield entry, place > 0

    def count(self, store: int) -> int:
        """Return the number of a store's records."""
        found = self._db.execute("select count(*) from record where store = ?", (store,)).fetchone()
        return int(found[0])

    def _entries(self, where: str, value: int) -> Iterator[Entry]:
        columns = "number, store, path, cell, data, seal, content, trial, made"
        query = f"select {columns} from record where {where} order by cell, store, path"  # nosec B608 # ours
        for number, store, path, *rest in self._db.execute(query, (value,)):
            yield Entry(number, store, Path(path), *rest)
