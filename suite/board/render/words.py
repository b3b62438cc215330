"""How a board words its values: headings, file names, percentages, times, bytes."""

import json
import re

from suite.board.rows import NOT_STANDARD, BoardRow
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.records.cells import STANDARD_RECIPE

EXTERNAL_NOTE = "brought in from a file; distillation not run here"
"""The badge of a set that somebody else made."""

_DIGITS = 6  # of percentages before they are rounded, so that the last bit never decides a tie


def heading(table: Table) -> str:
    """Return the task, the network and the conditions of `table`, a reduced network said to be one."""
    parts = (table.task, network(table.network), table.conditions)
    return ", ".join(part for part in parts if part)


def network(name: str) -> str:
    """Return the network's name, a reduced one said to be one; "" is none yet."""
    if match := re.fullmatch(r"convnet-d(\d+)-w(\d+)-\w+", name):
        depth, width = (int(number) for number in match.groups())
        return name + " (reduced network)" * (depth < 3 or width < 128)
    return name or "not evaluated yet"


def slug(table: Table) -> str:
    """Return the file name, without ending, of the plot that shows `table`."""
    return _slugged("-".join(filter(None, (table.task, table.network, table.conditions))))


def picture(task: str, row: BoardRow, seed: int) -> str:
    """Return the path, beside the Markdown, of the picture of a row's synthetic set."""
    return f"pictures/{_slugged(task)}/{_slugged(row.name)}-ipc{row.size}-seed{seed}.png"


def drawable(table: Table) -> bool:
    """Return whether `table` has a complete row to draw."""
    return any(row.rank is not None for row in table.rows)


def rank(row: BoardRow) -> str:
    """Return the rank, "" for none."""
    return f"{row.rank}" if row.rank is not None else ""


def behind(row: BoardRow) -> str:
    """Return how far a row is behind the one it was compared with, `3.8 [1.5, 6.6]`, in points."""
    if row.behind is None:
        return ""
    return points(row.behind)


def points(value: Difference) -> str:
    """Return a difference of accuracies in points, `3.8 [1.5, 6.6]`; the mean alone where nothing varied."""
    return _spanned(value, 100, 1)


def fraction(value: Difference) -> str:
    """Return a score from 0 to 1, `0.280 [0.271, 0.289]`; the mean alone where nothing varied."""
    return _spanned(value, 1, 3)


def accuracy(row: BoardRow) -> str:
    """Return the accuracy under the standard recipe, or what is wrong with the row, or both.

    A row that was only evaluated under other recipes has its accuracy under the first of them.
    """
    if row.state == NOT_STANDARD:
        recipe, found = next(iter(row.scores.items()))
        return f"{percent(found)} ({recipe})"
    if row.state and row.accuracy:
        return f"{percent(row.accuracy)} {row.state}"
    return row.state or (percent(row.accuracy) if row.accuracy else "")


def native(row: BoardRow, *, brief: bool = False) -> str:
    """Return the accuracy under the method's own recipe, `same` where that is the standard one.

    brief: only the mean.
    """
    if not row.native:
        return ""
    if row.native == STANDARD_RECIPE:
        return "same"
    found = row.scores.get(row.native)
    if brief:
        return f"{_snapped(100 * found.mean):.1f}" if found else "–"
    return f"{percent(found)} ({row.native})" if found else f"– ({row.native})"


def settings(row: BoardRow) -> str:
    """Return the row's hyper-parameters, `steps 150, window 10`."""
    values = json.loads(row.hyperparameters)
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items() if value is not None)


def share(row: BoardRow) -> str:
    """Return the share of full-data accuracy, "" where that was not measured."""
    return f"{_snapped(100 * row.share):.1f}%" if row.share is not None else ""


def percent(value: Interval) -> str:
    """Return `81.2 [80.4, 82.0]`; the mean alone where nothing varied."""
    mean, low, high = (_number(number) for number in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]" if value.measured else mean


def under(row: BoardRow, recipe: str) -> str:
    """Return the accuracy under `recipe`; where that is chosen for each set, what was: `81.2 (dc, dsa)`."""
    chosen = row.chosen.get(recipe, ())
    return percent(row.scores[recipe]) + f" ({', '.join(chosen)})" * bool(chosen)


def count(row: BoardRow) -> str:
    """Return distillation seeds × copies, `2 × 3`; of full data the copies; "" without an accuracy."""
    if row.accuracy is None:
        return ""
    return times(row.accuracy) if row.method else _copies(row.accuracy)


def times(value: Interval) -> str:
    """Return distillation seeds × copies, `2 × 3`."""
    return f"{value.seeds} × {_copies(value)}"


def cost(row: BoardRow) -> str:
    """Return the device time, "" where nothing was finished, or distilled here."""
    if row.external:
        return ""
    return duration(row.device_seconds) if row.scores or row.device_seconds else ""


def duration(seconds: float) -> str:
    """Return `seconds` in a unit that suits them."""
    if seconds < 1:
        return "< 1 s"
    for limit, divisor, unit in ((100, 1, "s"), (6000, 60, "min"), (360_000, 3600, "h")):
        if seconds < limit:
            return f"{_snapped(seconds / divisor):.{0 if unit == 's' else 1}f} {unit}"
    return f"{_snapped(seconds / 86400):.1f} d"


def memory(count: int) -> str:
    """Return `count` in decimal units, "" for 0, which stands for not measured."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.{0 if unit == 'B' else 1}f} {unit}" if count else ""
        size /= 1000
    return f"{size:.1f} TB"


def size(ipc: int) -> str:
    """Return `10 images per class`."""
    return f"{ipc} image{'s' * (ipc != 1)} per class"


def _copies(value: Interval) -> str:
    low, high = min(value.copies), max(value.copies)
    return f"{low}" if low == high else f"{low}–{high}"


def _number(number: float, factor: int = 100, digits: int = 1) -> str:
    return f"{round(_snapped(factor * number), digits) + 0.0:.{digits}f}".replace("-", "−")


def _spanned(value: Difference, factor: int, digits: int) -> str:
    mean, low, high = (_number(number, factor, digits) for number in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]" if value.low < value.high else mean


def _slugged(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")


def _snapped(value: float) -> float:
    return round(value, _DIGITS)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
