"""The board's tables as a site shows them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from suite.board.breakdown import Breakdown, BreakdownRow
from suite.board.breakdown import Column as Score
from suite.board.cells import TableKey
from suite.board.dd_ranking import DDScore
from suite.board.render import breakdown, dd_ranking, words
from suite.board.render.frame import lines
from suite.board.rows import CLAIMED, BoardRow
from suite.board.tables import Board, MethodTitle, Table
from suite.core.scores import Unit
from suite.records.cells import RETRAIN
from suite.site import paths
from suite.site.view.columns import (
    AGAINST_RANDOM,
    COPIES,
    METHOD,
    STATE,
    Cell,
    Column,
    Kind,
    Value,
    leaderboard,
)

Line = Mapping[str, Value]
"""A row of the board's CSV, by column."""


@dataclass(frozen=True)
class Method:
    """What a row shows of its method. name: in its paper; about: the rest of its title; page: its path.

    paper: its address, "" for none.
    """

    name: str
    about: str
    page: str
    paper: str


@dataclass(frozen=True)
class Row:
    """A row. cells: by the view's columns; method: None for full data.

    sets: the path of the page of its set of each seed.
    """

    cells: tuple[Cell, ...]
    method: Method | None = None
    sets: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A table. slug: its name in permalinks and paths; evaluator: its title.

    facts: evaluator, task, ipc, network and conditions as the board's CSV has them; footer: full data, which
    is not ranked. figures: the path of its figures, "" for none.
    """

    slug: str
    evaluator: str
    facts: Mapping[str, Value]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footer: tuple[Row, ...] = ()
    figures: str = ""

    @property
    def network(self) -> str:
        """The network, marked if it is reduced, and the conditions."""
        network, conditions = str(self.facts["network"]), str(self.facts["conditions"])
        named = words.network(network) if network or self.facts["evaluator"] == RETRAIN else ""
        return ", ".join(filter(None, (named, conditions)))

    @property
    def title(self) -> str:
        """One line about the table."""
        evaluator = "" if self.facts["evaluator"] == RETRAIN else self.evaluator
        task, size = str(self.facts["task"]), words.size(int(str(self.facts["ipc"])))
        return ", ".join(filter(None, (evaluator, task, size, self.network)))

    @property
    def shown(self) -> tuple[int, ...]:
        """The places of the columns that are shown at first: those that are not empty."""
        every = (*self.rows, *self.footer)
        return tuple(
            at
            for at, column in enumerate(self.columns)
            if column.shown and any(row.cells[at].text for row in every)
        )


def views(board: Board) -> list[View]:
    """Return a view of every table of the board, those of other evaluators last."""
    titles = {each.label: each for each in board.methods}
    labels = {row.label for table in board.tables for row in table.rows}
    labels |= {row.label for table in board.breakdowns for row in table.rows}
    methods = {label: _method(titles.get(label, MethodTitle(label, label, ""))) for label in labels}
    csv = iter(lines(board))
    made = [_leaderboard(table, methods, csv) for table in board.tables]
    return [*made, *(_breakdown(table, methods, csv) for table in board.breakdowns)]


def _method(found: MethodTitle) -> Method:
    name, _, about = found.title.partition(": ")
    return Method(name, about, paths.method(found.label), words.address(found.paper))


def _leaderboard(table: Table, methods: Mapping[str, Method], csv: Iterator[Line]) -> View:
    shared = Counter(row.rank for row in table.rows)
    scores = dd_ranking.columns(table)
    columns = leaderboard(map(_robust, scores))
    made = [
        Row(
            _cells(columns, _texts(table, row, scores, tied=shared[row.rank] > 1), line),
            methods.get(row.label) if row.method else None,
            paths.sets(table.task, row),
        )
        for row, line in zip(table.everyone, csv, strict=False)
    ]
    slug = words.slug(table)
    rows, footer = made[: len(table.rows)], made[len(table.rows) :]
    facts = _facts(RETRAIN, table.key)
    return View(slug, "Accuracy", facts, columns, tuple(rows), tuple(footer), paths.figures(table))


def _facts(evaluator: str, key: TableKey) -> Mapping[str, Value]:
    return {"evaluator": evaluator, **key.facts}


def _robust(score: DDScore) -> Column:
    kind: Kind = "number" if score.normalised else "percent"
    about = f"DD-Ranking's {score.title}, with its 95% interval."
    fields = tuple(f"{score.name}{end}" for end in ("", "_low", "_high"))
    return Column(score.name, score.title, about, kind, fields, shown=False)


def _texts(table: Table, row: BoardRow, scores: Sequence[DDScore], *, tied: bool) -> Mapping[str, str]:
    """Return a row's cells as the Markdown has them, by column; a rank that rows share has a sign."""
    printed = (entry.text(table.ipc if row.method else 0) for entry in row.papers.same_network)
    return {
        "rank": "=" * (tied and row.rank is not None) + words.rank(row),
        "method": row.name,
        "accuracy": words.accuracy(row),
        "behind": words.behind(row),
        "n": words.count(row),
        "native": words.native(row),
        "share": words.share(row),
        **{score.name: dd_ranking.cell(row, score) for score in scores},
        "reported": "; ".join(printed),
        "time": words.cost(row),
        "tuned": words.tuned(row),
        "memory": words.memory(row.costs.peak_memory_bytes),
        "stored": words.stored(row.costs.stored_bytes, row.costs.teacher_bytes),
        "bits": words.bits(row.costs.bits_per_class),
        "labels": row.costs.label_kind,
        "device": row.costs.device_class,
        "standing": _standing(row),
        "signers": ", ".join(row.signers),
        "state": row.state,
        "sets": " ".join(map(str, paths.sets(table.task, row))),
        "notes": "; ".join(_notes(table, row)),
    }


def _notes(table: Table, row: BoardRow) -> Iterator[str]:
    yield from row.errors
    if told := words.decoded(row):
        yield f"factorised: {told}"
    if told := words.taught(row):
        yield told
    if row.method and row.size != table.ipc:
        yield f"time and memory of the whole set, {words.size(row.size)}"
    if row.submission:
        yield words.origin(row)
    if row.standing == CLAIMED:
        return
    if row.accuracy and not row.accuracy.measured:
        yield "one network: no interval"
    elif row.method and row.accuracy and row.accuracy.seeds == 1:
        yield "one seed: the interval leaves out variation between distillations"


def _cells(columns: Sequence[Column], texts: Mapping[str, str], line: Line) -> tuple[Cell, ...]:
    """Return the cells of a row. texts: by column; line: of the CSV, which has their values."""

    def cell(column: Column) -> Cell:
        text = texts[column.key]
        return Cell(text, tuple(line.get(name, text) for name in column.fields) if text else ())

    return tuple(map(cell, columns))


def _breakdown(table: Breakdown, methods: Mapping[str, Method], csv: Iterator[Line]) -> View:
    columns = (METHOD, *(_score(table, each) for each in table.columns), COPIES, STATE, AGAINST_RANDOM)
    rows = [
        Row(_cells(columns, _scores(table, row), line), methods[row.label])
        for row, line in zip(table.rows, csv, strict=False)
    ]
    slug = words.slugged("-".join(map(str, (table.evaluator, *table.key))))
    return View(slug, table.title, _facts(table.evaluator, table.key), columns, tuple(rows))


def _score(table: Breakdown, column: Score) -> Column:
    name = f"{table.evaluator}/{column.name}"
    kinds: Mapping[Unit, Kind] = {"seconds": "seconds", "fraction": "number", "number": "number"}
    kind = kinds.get(column.score.unit, "percent")
    about = f"The score {name}, with its 95% interval over sets and networks."
    return Column(name, breakdown.heading(column), about, kind, (name, f"{name}_low", f"{name}_high"))


def _scores(table: Breakdown, row: BreakdownRow) -> Mapping[str, str]:
    main = row.scores.get(table.main.name)
    scores = {f"{table.evaluator}/{each.name}": breakdown.cell(row, each) for each in table.columns}
    count = words.sample_size(main) if main else ""
    told = breakdown.verdicts(table, row)
    return {"method": row.name, **scores, "n": count, "state": row.state, "against_random": told}


def _standing(row: BoardRow) -> str:
    read = row.external and row.submission is None
    return "read from a file" if read else row.standing
