"""Curves of accuracy over device-seconds: their area, and the time until a target is reached."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log

from suite.board.rows import BoardRow
from suite.board.statistics.differences import Copies, Difference, combination
from suite.board.tables import Table

SHARES = (0.5, 0.75, 0.9)
"""Targets: these shares of the accuracy of full data."""

SELECTED = "k_means"
"""The row whose accuracy after its last budget is a target, too: what selecting real images reaches."""

_SURE = 0.98
"""A target is reached if the lower end of the interval of this level is: p < 0.01, for many seeds."""


@dataclass(frozen=True)
class Target:
    """An accuracy in [0, 1] that a curve may reach. name: whose it is."""

    name: str
    accuracy: float


@dataclass(frozen=True)
class Curve:
    """A row's accuracy after each budget.

    rows: the row in the table of each budget, None where it has none; area: the mean accuracy over the
    logarithm of time, in which a budget without a set counts as chance, None if cells are missing; reached:
    for each target the first budget after which it was reached, None if it never was.
    """

    name: str
    label: str
    rows: tuple[BoardRow | None, ...]
    area: Difference | None
    reached: tuple[float | None, ...]


@dataclass(frozen=True)
class Anytime:
    """The curves of a place and a device, best area first. budgets: in device-seconds."""

    tables: tuple[Table, ...]
    budgets: tuple[float, ...]
    device: str
    targets: tuple[Target, ...]
    curves: tuple[Curve, ...]


def anytime(tables: Iterable[Table]) -> tuple[Anytime, ...]:
    """Return the curves of all tables with budgets, which differ in nothing but these."""
    budgeted = sorted((each for each in tables if each.within), key=_place)
    found = (tuple(group) for _, group in groupby(budgeted, key=lambda each: _place(each)[:-1]))
    return tuple(_anytime(same) for same in found if len(same) > 1)


def _place(table: Table) -> tuple[object, ...]:
    assert table.within
    other = table.conditions.removeprefix(str(table.within))
    return table.task, table.network, other, table.ipc, table.within.device, table.within.device_seconds


def _anytime(tables: tuple[Table, ...]) -> Anytime:
    within = [each.within for each in tables if each.within]
    budgets = tuple(each.device_seconds for each in within)
    targets = tuple(_targets(tables[-1]))
    names = dict.fromkeys(row.name for table in tables for row in table.rows)
    curves = [_curve(name, tables, budgets, targets) for name in names]
    curves.sort(key=lambda each: (each.area is None, -each.area.mean if each.area else 0.0, each.name))
    return Anytime(tables, budgets, within[0].device, targets, tuple(curves))


def _targets(last: Table) -> Iterator[Target]:
    selected = next((row for row in last.rows if row.label == SELECTED and row.accuracy), None)
    if selected and selected.accuracy:
        yield Target(selected.name, selected.accuracy.mean)
    if last.reference and last.reference.accuracy:
        for share in SHARES:
            yield Target(f"{100 * share:g}% of full data", share * last.reference.accuracy.mean)


def _curve(name: str, tables: Sequence[Table], budgets: Sequence[float], targets: Sequence[Target]) -> Curve:
    rows = tuple(next((row for row in table.rows if row.name == name), None) for table in tables)
    reached = (_reached(rows, budgets, target.accuracy) for target in targets)
    label = next(row.label for row in rows if row)
    return Curve(name, label, rows, area(rows, budgets), tuple(reached))


def area(rows: Sequence[BoardRow | None], places: Sequence[float]) -> Difference | None:
    """Return the mean accuracy over the logarithm of the places, by the trapezoidal rule.

    rows: a row at each place, such as a budget; the set of a seed that was late counts as chance. None if one
    is missing.
    """
    logs = [log(place) for place in places]
    ends = [logs[0], *logs, logs[-1]]
    around = zip(ends, ends[2:], strict=False)
    weights = [(after - before) / 2 / (logs[-1] - logs[0]) for before, after in around]
    terms, known = [], 0.0
    for row, weight in zip(rows, weights, strict=True):
        if row is None or (row.state and not (row.late and row.costs.classes)):
            return None
        late = {seed: Copies(-1, (1 / row.costs.classes,)) for seed in row.late}  # paired with no network
        if row.per_seed:
            terms.append((weight, {**row.per_seed, **late}))
        else:
            known += weight / row.costs.classes
    if not terms:
        return Difference(known, known, known, 0)
    found = combination(terms)
    return Difference(found.mean + known, found.low + known, found.high + known, found.paired)


def _reached(rows: Sequence[BoardRow | None], budgets: Sequence[float], target: float) -> float | None:
    for row, budget in zip(rows, budgets, strict=True):
        measured = row and row.accuracy and not row.state and row.accuracy.measured
        # This interval, of a single term, is widened for few seeds, as those of differences are.
        if row and measured and combination([(1.0, row.per_seed)], level=_SURE).low >= target:
            return budget
    return None
