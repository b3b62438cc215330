"""The tables of all evaluators except `retrain`, made from the scores that each declares.

A table has one column per shown score, or per part of a family. For example, `accuracy/*` gives one column
for each network, and averages `accuracy/noise/1` and `accuracy/noise/5` in the column `noise`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from suite.board.cells import Cells, Evaluated, TableKey, TrialResult
from suite.board.rows import WORDS, named
from suite.board.statistics.intervals import Interval, interval
from suite.core.names import counted
from suite.core.scores import Score
from suite.records.cells import RETRAIN
from suite.records.record import Status

UNDECLARED = Score("*", "{}", unit="number")
"""The declaration for records without one: scores are shown unchanged, under their names."""


@dataclass(frozen=True)
class Column:
    """A column of a table. name: the score's key in records, without details; unique in the table."""

    name: str
    heading: str
    score: Score


@dataclass(frozen=True)
class BreakdownRow:
    """One configuration of a method. scores: an interval per column name; state: "" if complete."""

    name: str
    label: str
    scores: Mapping[str, Interval] = field(default_factory=dict)
    state: str = ""


@dataclass(frozen=True)
class Breakdown:
    """One evaluator's table, a row per configuration, best first. title: of the evaluator."""

    evaluator: str
    title: str
    key: TableKey
    columns: tuple[Column, ...]
    rows: tuple[BreakdownRow, ...]

    @property
    def main(self) -> Column:
        """The column by which rows are sorted: the first ranking column, or else the first column."""
        return next((column for column in self.columns if column.score.ranks), self.columns[0])


@dataclass(frozen=True)
class _Outcome:
    """The result of one seed: the values per copy by column if it is done, else its status."""

    seed: int
    cell: str
    status: Status | None
    values: Mapping[Column, tuple[float, ...]]

    @property
    def precedence(self) -> tuple[bool, int, str]:
        """Sort key among a seed's cells: finished cells win, then those with more copies."""
        return self.status == "done", max(map(len, self.values.values()), default=0), self.cell


def breakdowns(cells: Cells, suffix: Callable[[TrialResult], str]) -> tuple[Breakdown, ...]:
    """Return a table for each evaluator, task, network, conditions and size that has a score to show.

    suffix: distinguishes a trial's configuration from others with the same label. A failed or missing cell
    makes its row incomplete.
    """
    tables: dict[tuple[str, TableKey], list[tuple[TrialResult, Evaluated]]] = {}
    for trial in cells.trials:
        for item in trial.evaluations:
            if item.cell.evaluator != RETRAIN:
                tables.setdefault((item.cell.evaluator, item.key), []).append((trial, item))
    order = sorted(tables, key=lambda each: (each[0], each[1].task, *each[1][2:], each[1].ipc))
    made = (_breakdown(evaluator, key, tables[evaluator, key], suffix) for evaluator, key in order)
    return tuple(each for each in made if each.columns)


def _breakdown(
    evaluator: str,
    key: TableKey,
    items: Iterable[tuple[TrialResult, Evaluated]],
    suffix: Callable[[TrialResult], str],
) -> Breakdown:
    items = sorted(items, key=lambda pair: pair[1].cell.id)
    records = [item.record for _, item in items if item.record]
    declared = list(
        {score.name: score for record in records for score in record.described or [UNDECLARED]}.values()
    )
    outcomes: dict[tuple[str, str], list[_Outcome]] = {}
    for trial, item in items:
        prefix = "" if key.ipc == trial.trial.ipc else f"first {key.ipc} of {trial.trial.ipc}"
        row = (named(trial.label, prefix, suffix(trial)), trial.label)
        outcomes.setdefault(row, []).append(_outcome(trial, item, declared))
    shown = {column for each in outcomes.values() for outcome in each for column in outcome.values}
    columns = tuple(sorted(shown, key=lambda column: (declared.index(column.score), column.name)))
    titles = [record.title for record in records if record.title]
    rows = [_row(name, label, each) for (name, label), each in outcomes.items()]
    found = Breakdown(evaluator, titles[0] if titles else evaluator, key, columns, tuple(rows))
    return replace(found, rows=_best_first(found)) if columns else found


def _best_first(breakdown: Breakdown) -> tuple[BreakdownRow, ...]:
    """Sort the rows by the main score; rows without it come last."""
    main = breakdown.main
    sign = -1 if main.score.better == "higher" else 1

    def place(row: BreakdownRow) -> tuple[bool, float, str]:
        found = row.scores.get(main.name)
        return found is None, sign * found.mean if found else 0.0, row.name

    return tuple(sorted(breakdown.rows, key=place))


def _outcome(trial: TrialResult, item: Evaluated, declared: Sequence[Score]) -> _Outcome:
    seed, cell = trial.trial.seed, item.cell.id
    if item.record:
        values = _columns(item.record.scores, declared) if item.done else {}
        return _Outcome(seed, cell, item.record.status, values)
    # A failed trial has no set to evaluate.
    return _Outcome(seed, cell, trial.record.status if trial.record and not trial.made else None, {})


def _columns(
    scores: Mapping[str, Sequence[float]], declared: Sequence[Score]
) -> dict[Column, tuple[float, ...]]:
    """Return each shown column's values per copy: details of a part are averaged copy by copy."""
    columns: dict[Column, list[Sequence[float]]] = {}
    for name, values in scores.items():
        score = next((each for each in declared if each.matches(name)), None)
        if score and score.shown:
            column = Column(score.column(name), score.heading(name), score)
            columns.setdefault(column, []).append(values)
    return {
        column: tuple(fmean(copy) for copy in zip(*values, strict=True)) for column, values in columns.items()
    }


def _row(name: str, label: str, outcomes: Sequence[_Outcome]) -> BreakdownRow:
    """Return the row of a configuration, over its seeds."""
    seeds = {each.seed: each for each in sorted(outcomes, key=lambda each: each.precedence)}  # last one stays
    done = [seeds[seed].values for seed in sorted(seeds) if seeds[seed].status == "done"]
    shared = set.intersection(*(set(values) for values in done)) if done else set()
    scores = {column.name: interval([values[column] for values in done]) for column in shared}
    wrong = sorted({WORDS[each.status or "missing"] for each in seeds.values() if each.status != "done"})
    count = f"{len(done)} of {counted(len(seeds), 'seed')}"
    return BreakdownRow(name, label, scores, f"{count} ({', '.join(wrong)})" if wrong else "")
