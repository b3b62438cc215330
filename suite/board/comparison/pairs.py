"""Compare rows of two sides by task, size, network and recipe, paired by seed and copy."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suite.board import files
from suite.board.comparison.facts import differing, provenance
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference, difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table, board
from suite.core.names import did_you_mean
from suite.records.cells import Evaluation, Trial
from suite.records.record import Record, is_of
from suite.records.stores import layout, reading
from suite.records.stores.addresses import Address

Verdict = Literal["better", "worse", "not shown", "other data"]


@dataclass(frozen=True)
class Side:
    """What is compared: all rows of a store, or the row that `text` names: its label, its name on the board.

    wanted: what `text` may mean if it is an address, which can also name a task, a size and a seed.
    """

    store: Path
    text: str = ""
    wanted: tuple[Address, ...] = ()

    @property
    def name(self) -> str:
        """The side in words."""
        return f"{self.text} in {self.store}" if self.text else str(self.store)

    def read(self) -> tuple[list[Record], str]:
        """Return its records, and the name of the row; "" for all rows. Files of other rows are not read.

        Raises ValueError if there are none.
        """
        store = reading.opened(self.store)
        if not self.text:
            return _every_record(self.store), ""
        wanted = self.wanted or (Address(label=self.text),)
        for each in wanted:
            # Rows of one label are told apart on the board, by what stands in brackets.
            found = [record for name in _labels(each.label) for record in reading.records(store, name)]
            trials = {record.cell.id for record in found if is_of(record, Trial) and _fits(record, each)}
            if trials:
                return [record for record in found if _trial_of(record) in trials], each.label
        known = {folder.name for folder in layout.folders(self.store / "records")}
        raise ValueError(f"no row {self.text} in {self.store}; {did_you_mean(wanted[-1].label, known)}")


@dataclass(frozen=True)
class Compared:
    """Two rows under one recipe. difference: the second minus the first, in [-1, 1].

    ratio: the device-seconds of the second's distillation over the first's; None if one is not known. facts:
    what else differs.
    """

    task: str
    ipc: int
    network: str
    conditions: str
    recipe: str
    rows: tuple[str, str]
    accuracies: tuple[Interval, Interval]
    difference: Difference
    ratio: float | None
    facts: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The second against the first, in words."""
        if any(fact.startswith("data:") for fact in self.facts):
            return "other data"
        if not self.difference.settled or not any(each.measured for each in self.accuracies):
            return "not shown"
        return "better" if self.difference.mean > 0 else "worse"

    @property
    def samples(self) -> tuple[str, str]:
        """Seeds × copies of both."""
        first, second = (f"{each.seeds}×{max(each.copies)}" for each in self.accuracies)
        return first, second


@dataclass(frozen=True)
class Comparison:
    """All pairs. facts: what differs in all of them; alone: rows without a partner, by place and side."""

    names: tuple[str, str]
    pairs: tuple[Compared, ...]
    facts: tuple[str, ...]
    alone: Mapping[str, Sequence[str]]


def compare(first: Side, second: Side) -> Comparison:
    """Compare two sides; raises ValueError if they are the same, or have no table in common."""
    if (first.store.resolve(), first.text) == (second.store.resolve(), second.text):
        raise ValueError(f"{first.name} is compared with itself; name another store or method")
    records, names = zip(*(side.read() for side in (first, second)), strict=True)
    boards = [board(each) for each in records]
    for warning in dict.fromkeys(text for each in boards for text in each.warnings):
        warnings.warn(warning, stacklevel=2)
    found, alone = list[Compared](), dict[str, list[str]]()
    for tables in _shared(*boards):
        rows = [
            [row for row in table.everyone if name in ("", row.label, row.name)]
            for table, name in zip(tables, names, strict=True)
        ]
        matched = _every(*rows) if all(names) and names[0] != names[1] else list(_matched(*rows))
        found += [pair for both in matched for pair in _compared(tables[0], *both)]
        for place, side in enumerate((first, second)):
            for row in (row for row in rows[place] if all(row is not both[place] for both in matched)):
                where = f"{_where(tables[0])}, only in {side.name}"
                alone.setdefault(where, []).append(row.name)
    if not found:
        raise ValueError(
            f"{first.name} and {second.name} have no task, size, network and recipe in common; the first has "
            f"{_known(boards[0])}, the second {_known(boards[1])}"
        )
    common = [fact for fact in found[0].facts if all(fact in pair.facts for pair in found)]
    return Comparison(
        (first.name, second.name), tuple(found), (*provenance(records[0], records[1]), *common), alone
    )


def _every_record(store: Path) -> list[Record]:
    found = files.read([store])
    for warning in found.warnings:
        warnings.warn(warning, stacklevel=2)
    return list(found.records)


def _labels(name: str) -> list[str]:
    """Return the labels that a row of this name may have."""
    return list(dict.fromkeys((name, name.partition(" (")[0])))


def _shared(first: Board, second: Board) -> Iterator[tuple[Table, Table]]:
    """Yield the tables that both boards have."""
    others = {table.key: table for table in second.tables}
    yield from ((table, others[table.key]) for table in first.tables if table.key in others)


def _every(first: Sequence[BoardRow], second: Sequence[BoardRow]) -> list[tuple[BoardRow, BoardRow]]:
    """Return every pair of different rows: sets of equal size first, if there are such pairs."""
    pairs = [(one, other) for one in first for other in second if one.name != other.name]
    alike = [(one, other) for one, other in pairs if one.size == other.size]
    return alike or pairs


def _matched(first: Sequence[BoardRow], second: Sequence[BoardRow]) -> Iterator[tuple[BoardRow, BoardRow]]:
    """Yield rows with the same settings, then rows of one label that have no other partner."""
    waiting, others = list[BoardRow](), list(second)
    for row in first:
        same = [each for each in others if _settings(each) == _settings(row)]
        if same:
            others.remove(same[0])
            yield row, same[0]
        else:
            waiting.append(row)
    for row in waiting:
        near = [each for each in others if (each.label, each.size) == (row.label, row.size)]
        alike = [each for each in waiting if (each.label, each.size) == (row.label, row.size)]
        if len(near) == len(alike) == 1:
            yield row, near[0]


def _settings(row: BoardRow) -> tuple[str, str, str, int]:
    return row.label, row.method, row.hyperparameters, row.size


def _compared(table: Table, first: BoardRow, second: BoardRow) -> Iterator[Compared]:
    for recipe in (recipe for recipe in first.copies if recipe in second.copies):
        costs = first.costs.device_seconds, second.costs.device_seconds
        yield Compared(
            *table.key[:4],
            recipe=recipe,
            rows=(first.name, second.name),
            accuracies=(first.scores[recipe], second.scores[recipe]),
            difference=difference(second.copies[recipe], first.copies[recipe]),
            ratio=costs[1] / costs[0] if all(costs) and first.method else None,
            facts=tuple(differing(first, second)),
        )


def _fits(record: Record[Trial], wanted: Address) -> bool:
    """Return whether a trial may be meant; rows of one label are told apart on the board."""
    cell, label = record.cell, record.label
    return (
        (wanted.label in ("", label) or wanted.label.startswith(f"{label} ("))
        and wanted.fits(record.task, cell.ipc, cell.seed)
        and cell.id.startswith(wanted.digits)
    )


def _trial_of(record: Record) -> str:
    cell = record.cell
    return cell.trial if isinstance(cell, Evaluation) else cell.id


def _where(table: Table) -> str:
    return ", ".join(filter(None, (f"{table.task} ipc {table.ipc}", table.conditions)))


def _known(made: Board) -> str:
    places = [f"{_where(table)} by {table.network}" for table in made.tables if table.network]
    return ", ".join(places[:3]) + (" …" if len(places) > 3 else "") if places else "nothing finished"
