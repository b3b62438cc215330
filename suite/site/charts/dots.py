"""The ranked dot plot of a table: each row's accuracy with its interval; tied rows share a band."""

from collections.abc import Iterator, Sequence

from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.site.charts.drawing import marks, scale
from suite.site.charts.drawing.marks import Box, Chart, Dot, Line, Mark, Text

_ROW = 23.0
_TOP, _BOTTOM = 26.0, 46.0
_RANKS = 30  # pixels of the gutter for ranks


def chart(table: Table) -> Chart | None:
    """Return the dot plot of the rows that have an accuracy under the standard recipe; None without any."""
    found = [(row, row.accuracy) for row in table.rows if row.accuracy]
    if not found:
        return None
    rows = [row for row, _ in found]
    full = table.reference.accuracy if table.reference else None
    ends = [end for _, value in found for end in (value.low, value.high)]
    axis = scale.percents([*ends, *([full.mean] if full else [])])
    bottom = _TOP + _ROW * len(found)
    names = [row.name for row in rows]
    left = marks.gutter(names, most=180) + _RANKS
    drawn = [
        *_bands(rows),
        *marks.horizontal(axis, _TOP, bottom, "test accuracy, %"),
        *_full(table, axis, bottom),
        *(mark for at, (row, value) in enumerate(found) for mark in _row(row, value, axis, at, left)),
    ]
    return Chart(
        title=f"Test accuracy on {table.task} at {words.size(table.ipc)}",
        caption=_caption(table, rows),
        height=bottom + _BOTTOM,
        left=left,
        right=40,
        marks=tuple(drawn),
        headings=("rank", "row", "accuracy, %", "seeds × networks", "state"),
        lines=tuple(
            (words.rank(row), row.name, words.percent(value), words.count(row), row.state)
            for row, value in found
        ),
        kind="dots",
    )


def interval(value: Interval, at: float, y: float, axis: scale.Scale, look: str = "") -> Iterator[Mark]:
    """Yield the horizontal bar of an interval, if anything varied, around a dot at `at` percent."""
    low, high = (100 * axis.share(end) for end in (value.low, value.high))
    if value.measured:
        yield Line(min(low, at), y, max(high, at), y, f"interval {look}".strip())


def _row(row: BoardRow, value: Interval, axis: scale.Scale, at: int, left: int) -> Iterator[Mark]:
    y = _TOP + _ROW * (at + 0.5)
    x = 100 * axis.share(value.mean)
    look = "" if row.rank is not None else "unranked"
    told = f"{row.name}: {words.percent(value)} % ({words.count(row)} seeds × networks)"
    yield Text(0, y + 4, words.rank(row) or "–", "rank", "middle", _RANKS / 2 - left)
    room = left - _RANKS - 12
    yield Text(0, y + 4, marks.cut(row.name, room), f"name {look}".strip(), "end", -10, row.name)
    yield from interval(value, x, y, axis, look)
    yield Dot(x, y, f"{look} {'' if value.measured else 'single'}".strip(), told)
    yield Text(100, y + 4, words.spanned(value, 100).split(" ")[0], "value", "start", 10)


def _bands(rows: Sequence[BoardRow]) -> Iterator[Mark]:
    """Yield a box for every second group of tied rows."""
    shown = [row.rank for row in rows if row.rank is not None]
    for number, rank in enumerate(sorted(set(shown))):
        if number % 2 == 0:
            yield Box(_TOP + _ROW * shown.index(rank), _ROW * shown.count(rank), "band")


def _full(table: Table, axis: scale.Scale, bottom: float) -> Iterator[Mark]:
    """Yield the line of full data."""
    if table.reference and (value := table.reference.accuracy):
        at = 100 * axis.share(value.mean)
        yield Line(at, _TOP, at, bottom, "full")
        told = f"{table.reference.name}: {words.percent(value)} %"
        yield Text(at, _TOP - 6, "full data", "tick full", "end" if at > 50 else "start", 0, told)


def _caption(table: Table, rows: Sequence[BoardRow]) -> str:
    """Return what the dots and the bars are, and which rows have none."""
    parts = [f"{words.measured(table)}."]
    parts.append("Dots: means; bars: 95% intervals over sets and networks.")
    if any(not row.accuracy.measured for row in rows if row.accuracy):
        parts.append("Hollow dots: a single network, no interval.")
    if any(row.rank is not None for row in rows):
        parts.append(
            "Rows on one band share a rank: the interval of the difference to the best of them contains zero."
        )
    if any(row.rank is None for row in rows):
        parts.append("Grey rows are incomplete and have no rank.")
    absent = [f"{row.name} ({row.state})" for row in table.rows if not row.accuracy]
    if absent:
        parts.append(f"No accuracy: {', '.join(absent[:8])}{', …' if len(absent) > 8 else ''}.")
    return " ".join(parts)
