"""The critical-difference diagram: mean ranks over tables, and which rows they cannot tell apart.

Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006.
"""

from collections.abc import Iterator, Sequence
from math import inf, sqrt

from scipy.stats import friedmanchisquare, studentized_range

from suite.board.ranks import Average, Averages
from suite.site.charts.drawing import marks, scale
from suite.site.charts.drawing.marks import Chart, Dot, Line, Mark, Stroke, Text

LEAST = 5
"""Tables from which mean ranks are compared: with fewer no difference of a few rows could be found."""

_LEVEL = 0.05
_MANY = 10  # tables up to which the distribution of Friedman's statistic is rough
_ROW, _TOP, _BOTTOM = 23.0, 44.0, 46.0
_STEP = 9.0  # pixels between the bars of groups


def critical_difference(rows: int, tables: int) -> float:
    """Return how far two mean ranks must be apart to differ at 95%, by Nemenyi's test of all pairs."""
    quantile = float(studentized_range.ppf(1 - _LEVEL, rows, inf)) / sqrt(2)
    return quantile * sqrt(rows * (rows + 1) / (6 * tables))


def friedman(found: Sequence[Average]) -> float:
    """Return the p-value of Friedman's test: how likely such ranks are if all rows are equal."""
    if all(len(set(ranks)) == 1 for ranks in zip(*(each.ranks for each in found), strict=True)):
        return 1.0  # all rows tie in every table
    return float(friedmanchisquare(*(each.ranks for each in found)).pvalue)


def groups(ranks: Sequence[float], apart: float) -> list[tuple[int, int]]:
    """Return the first and the last of each largest group of sorted mean ranks less than `apart` apart."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(at for at in range(first, len(ranks)) if ranks[at] - rank <= apart + 1e-9)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def refusal(averages: Averages) -> str:
    """Return why there is no diagram; "" if there is one."""
    rows = averages.complete
    tables = len(rows[0].ranks) if rows else 0
    if tables < LEAST or len(rows) < 3:
        return (
            f"No critical-difference diagram: {len(rows)} rows are complete in {tables} common tables; it "
            f"needs three rows in {LEAST} tables."
        )
    return ""


def chart(averages: Averages) -> Chart | None:
    """Return the diagram; None if `refusal` says why."""
    if refusal(averages):
        return None
    rows = averages.complete
    tables = len(rows[0].ranks)
    apart, probability = critical_difference(len(rows), tables), friedman(rows)
    differ = probability < _LEVEL
    bars = _lanes(groups([row.rank for row in rows], apart) if differ else [(0, len(rows) - 1)])
    axis = scale.ranks(len(rows))
    bottom = _TOP + _ROW * len(rows)
    left = marks.gutter([row.name for row in rows], most=190)
    start, end = 100 * axis.share(1), 100 * axis.share(1 + apart)
    return Chart(
        kind="critical",
        title=f"Average ranks over {tables} tables, and their critical difference",
        caption=_caption(averages, tables, probability, differ),
        height=bottom + _BOTTOM,
        left=left,
        right=round(_STEP * (max((lane for lane, _, _ in bars), default=0) + 1) / 10) * 10 + 20,
        marks=(
            *marks.horizontal(axis, _TOP, bottom, "average rank: the best is at the left"),
            Line(start, _TOP - 14, end, _TOP - 14, "distance"),
            Text(start, _TOP - 22, f"critical difference {apart:.2f}", "tick"),
            *(mark for at, row in enumerate(rows) for mark in _row(row, at, axis, left)),
            *(_group(*bar) for bar in bars),
        ),
        headings=("row", "average rank", "ranks"),
        lines=tuple(
            (row.name, f"{row.rank:.2f}", ", ".join(f"{rank:g}" for rank in row.ranks)) for row in rows
        ),
    )


def _row(row: Average, at: int, axis: scale.Scale, left: int) -> Iterator[Mark]:
    yield Text(0, _y(at) + 4, marks.cut(row.name, left - 14), "name", "end", -10, row.name)
    yield Line(0, _y(at), 100 * axis.share(row.rank), _y(at), "stem")
    yield Dot(100 * axis.share(row.rank), _y(at), "", f"{row.name}: average rank {row.rank:.2f}")


def _group(lane: int, first: int, last: int) -> Mark:
    """Return the bar of a group: upright, in the right gutter."""
    at = _STEP * (lane + 1.5)
    return Stroke(100, 0, (at, _y(first) - 6), (at, _y(last) + 6), "group")


def _y(at: int) -> float:
    return _TOP + _ROW * (at + 0.5)


def _lanes(found: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return each group with the first lane in which it meets no other."""
    ends: list[int] = []
    placed = []
    for first, last in found:
        lane = next((at for at, end in enumerate(ends) if end < first), len(ends))
        ends[lane : lane + 1] = [last]
        placed.append((lane, first, last))
    return placed


def _caption(averages: Averages, tables: int, probability: float, differ: bool) -> str:
    """Return what was tested, and what may be concluded."""
    count = len(averages.complete)
    parts = [
        f"Average ranks of the {count} rows (of {averages.rows}) that are complete in all {tables} tables. "
        "Tied rows share the average of their ranks.",
        f"Friedman's test: p = {probability:.2g}"
        + (
            "; Nemenyi's test at 95%: rows on one bar at the right do not differ significantly."
            if differ
            else ": no two rows differ significantly."
        ),
    ]
    if tables <= _MANY:
        parts.append(f"With {tables} tables, the p-value is only a rough approximation.")
    parts.append("The test assumes independent tables; sizes and networks of one task are not independent.")
    return " ".join(parts)
