"""The tables of all evaluators except `retrain`, made from the scores that each declares.

A table has one column per shown score, or per part of a family. For example, `accuracy/*` gives one column
for each network, and averages `accuracy/noise/1` and `accuracy/noise/5` in the column `noise`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from suite.board.cells import Cells, Evaluated, TableKey, TrialResult
from suite.board.rows import WORDS, named
from suite.board.statistics.differences import Copies, Difference, PerSeed
from suite.board.statistics.intervals import Interval, interval
from suite.board.statistics.leads import lead
from suite.core.names import counted
from suite.core.scores import Score
from suite.records.cells import RANDOM, RETRAIN
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
    """One configuration of a method. scores: an interval per column name; state: "" if complete.

    leads: by how much it is better than random subsets, by the names of the columns that compare with these.
    """

    name: str
    label: str
    scores: Mapping[str, Interval] = field(default_factory=dict)
    state: str = ""
    leads: Mapping[str, Difference] = field(default_factory=dict)


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
    networks: int  # the seed of the retrained networks
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
    random = next((_done(each) for (_, label), each in outcomes.items() if label == RANDOM), {})
    rows = [
        _row(name, label, each, random if label != RANDOM else {}) for (name, label), each in outcomes.items()
    ]
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
        return _Outcome(seed, cell, item.cell.seed, item.record.status, values)
    # A failed trial has no set to evaluate.
    status = trial.record.status if trial.record and not trial.made else None
    return _Outcome(seed, cell, item.cell.seed, status, {})


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


def _best(outcomes: Sequence[_Outcome]) -> dict[int, _Outcome]:
    """Return one outcome for each seed."""
    return {each.seed: each for each in sorted(outcomes, key=lambda each: each.precedence)}  # last one stays


def _done(outcomes: Sequence[_Outcome]) -> dict[int, _Outcome]:
    return {seed: each for seed, each in sorted(_best(outcomes).items()) if each.status == "done"}


def _row(name: str, label: str, outcomes: Sequence[_Outcome], random: Mapping[int, _Outcome]) -> BreakdownRow:
    """Return the row of a configuration, over its seeds; random: those of random subsets."""
    seeds, done = _best(outcomes), _done(outcomes)
    shared = set.intersection(*(set(each.values) for each in done.values())) if done else set()
    scores = {column.name: interval([each.values[column] for each in done.values()]) for column in shared}
    wrong = sorted({WORDS[each.status or "missing"] for each in seeds.values() if each.status != "done"})
    count = f"{len(done)} of {counted(len(seeds), 'seed')}"
    return BreakdownRow(
        name, label, scores, f"{count} ({', '.join(wrong)})" if wrong else "", _leads(done, random, shared)
    )


def _leads(
    done: Mapping[int, _Outcome], random: Mapping[int, _Outcome], shared: Iterable[Column]
) -> dict[str, Difference]:
    compared = [column for column in shared if column.score.against_random]
    found = {}
    for column in compared:
        ours, theirs = _per_seed(done, column), _per_seed(random, column)
        sides = (ours, theirs) if column.score.better == "higher" else (theirs, ours)
        if (own := lead(*sides, scores=len(compared))) is not None:
            found[column.name] = own
    return found


def _per_seed(outcomes: Mapping[int, _Outcome], column: Column) -> PerSeed:
    return {
        seed: Copies(each.networks, each.values[column])
        for seed, each in outcomes.items()
        if column in each.values
    }
