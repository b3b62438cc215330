"""Accuracies under parts of an evaluation: per architecture, per corruption, per whatever is named.

Any evaluator whose scores have `accuracy/<part>`, or `accuracy/<part>/<detail>` to be averaged over, gets
a table per task and size: its `accuracy`, a column for each part, and its `mean` and `drop` if it has them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from suite.board.join import EVALUATOR, Cells, TrialResult, conditions, scores_whole_or_prefix
from suite.board.rows import WORDS, named
from suite.board.statistics.intervals import Interval, interval
from suite.records.cells import Evaluation
from suite.records.jobs import Planned
from suite.records.record import Record, Status

WHOLE, PART, MEAN, DROP = "accuracy", "accuracy/", "mean", "drop"
"""Names of scores, and of columns: `PART` begins those of a part."""

Scored = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class BreakdownRow:
    """One configuration of a method. scores: an interval per column; state: "" when every seed has them."""

    name: str
    scores: Mapping[str, Interval] = field(default_factory=dict)
    state: str = ""


@dataclass(frozen=True, order=True)
class TableKey:
    """What a breakdown is of. conditions: the evaluator's settings besides network and copies."""

    evaluator: str
    task: str
    network: str
    conditions: str
    ipc: int


@dataclass(frozen=True)
class Breakdown:
    """One evaluator's parts at one place, a row per configuration; columns in their order."""

    place: TableKey
    columns: tuple[str, ...]
    rows: tuple[BreakdownRow, ...]


@dataclass(frozen=True)
class _Outcome:
    """What one cell gave: its scores where it is done, else none and its status."""

    seed: int
    cell: str
    status: Status | None
    scores: Scored

    @property
    def precedence(self) -> tuple[bool, int, str]:
        """Of a seed's cells a finished one counts, then that of most copies."""
        return self.status == "done", len(self.scores.get(WHOLE, ())), self.cell


def breakdowns(
    cells: Cells, planned: Iterable[Planned], suffix: Callable[[TrialResult], str]
) -> tuple[Breakdown, ...]:
    """Return a breakdown for each evaluator, task and size with such scores; snapshots stay out.

    suffix: what tells a run's configuration from others of its label. A cell that failed, or is only
    planned, makes its row incomplete.
    """
    runs = {run.trial.id: run for run in cells.runs}
    places: dict[TableKey, dict[str, list[_Outcome]]] = {}
    for source in _sources(cells, planned):
        cell = source.cell
        if isinstance(cell, Evaluation) and cell.trial in runs:
            run = runs[cell.trial]
            prefix = "" if source.ipc == run.trial.ipc else f"first {source.ipc} of {run.trial.ipc}"
            rows = places.setdefault(_place(source, cell), {})
            rows.setdefault(named(run.label, prefix, suffix(run)), []).append(_outcome(source, run))
    found = (_breakdown(place, places[place]) for place in sorted(places))
    return tuple(each for each in found if any(name.startswith(PART) for name in each.columns))


def _sources(cells: Cells, planned: Iterable[Planned]) -> list[Record | Planned]:
    """Return every evaluation but those of `retrain`, its record rather than its plan."""
    every: dict[str, Record | Planned] = {item.cell.id: item for item in planned}
    every |= {record.cell.id: record for record in cells.records}
    return [
        every[key]
        for key in sorted(every)
        if isinstance(cell := every[key].cell, Evaluation)
        and scores_whole_or_prefix(cell)
        and cell.evaluator != EVALUATOR
    ]


def _place(source: Record | Planned, cell: Evaluation) -> TableKey:
    settings = dict(cell.settings)
    network = str(settings.pop("network", ""))
    return TableKey(cell.evaluator, source.task, network, conditions(settings), source.ipc)


def _outcome(source: Record | Planned, run: TrialResult) -> _Outcome:
    if isinstance(source, Record):
        scores = source.scores if source.status == "done" else {}
        return _Outcome(run.trial.seed, source.cell.id, source.status, scores)
    status = run.record.status if run.record and not run.made else None  # there will be nothing to score
    return _Outcome(run.trial.seed, source.cell.id, status, {})


def _breakdown(place: TableKey, rows: Mapping[str, Sequence[_Outcome]]) -> Breakdown:
    """Return the rows of a place, the best mean first."""
    made = [_row(name, outcomes) for name, outcomes in rows.items()]
    names = {column for row in made for column in row.scores}
    by = MEAN if MEAN in names else WHOLE
    made.sort(key=lambda row: (-row.scores[by].mean if by in row.scores else 1.0, row.name))
    parts = sorted(name for name in names if name.startswith(PART))
    return Breakdown(place, tuple(name for name in (WHOLE, *parts, MEAN, DROP) if name in names), tuple(made))


def _row(name: str, outcomes: Sequence[_Outcome]) -> BreakdownRow:
    """Return the row of a configuration, over its seeds."""
    seeds = {each.seed: each for each in sorted(outcomes, key=lambda each: each.precedence)}  # the last wins
    done = [_columns(seeds[seed].scores) for seed in sorted(seeds) if seeds[seed].status == "done"]
    shared = set.intersection(*(set(columns) for columns in done)) if done else set()
    scores = {column: interval([columns[column] for columns in done]) for column in sorted(shared)}
    wrong = sorted({WORDS[each.status or "missing"] for each in seeds.values() if each.status != "done"})
    count = f"{len(done)} of {len(seeds)} seed" + "s" * (len(seeds) != 1)
    return BreakdownRow(name, scores, f"{count} ({', '.join(wrong)})" if wrong else "")


def _columns(scores: Scored) -> dict[str, tuple[float, ...]]:
    """Return each column's values per copy: those of a part's details are averaged copy by copy."""
    columns: dict[str, list[Sequence[float]]] = {}
    for name, values in scores.items():
        if name in (WHOLE, MEAN, DROP):
            columns[name] = [values]
        elif name.startswith(PART):
            part = name.removeprefix(PART).partition("/")[0]
            columns.setdefault(PART + part, []).append(values)
    return {
        name: tuple(fmean(copy) for copy in zip(*values, strict=True)) for name, values in columns.items()
    }
