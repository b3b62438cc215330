"""A board as tables for a terminal of 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.table import Table as Terminal
from rich.text import Text

from suite.board.breakdown import Breakdown
from suite.board.render import breakdown, words
from suite.board.tables import Board, Table

_WIDE = 3  # most columns of an evaluator
_LEAST = (0, 60, 72)  # widths from which accuracy, gap and cost have a column
_NARROW = 12  # least letters of a name


def terminal(board: Board, width: int = 80) -> list[Terminal]:
    """Return a table per table of the board and per evaluator; narrow terminals get fewer columns."""
    fitting = sum(width >= least for least in _LEAST)
    return [*(_leaderboard(table, fitting) for table in board.tables), *map(_breakdown, board.breakdowns)]


def _leaderboard(table: Table, columns: int) -> Terminal:
    view = _empty(f"{words.heading(table)}, {words.size(table.ipc)}")
    view.add_column("rank", justify="right", min_width=4)
    view.add_column("method", overflow="fold", min_width=_NARROW)
    for name in ("accuracy %", "behind", "device time")[:columns]:
        view.add_column(name, justify="right", no_wrap=True)
    for row in table.everyone:
        shown = (words.accuracy(row), words.behind(row), words.cost(row))[:columns]
        view.add_row(*map(Text, (words.rank(row), row.name, *shown)))
    notes = {
        f"{row.method.partition(':')[0]}:…: {words.origin(row)}": None for row in table.rows if row.external
    }
    if notes:
        view.caption, view.caption_justify = "\n".join(notes), "left"
    return view


def _breakdown(found: Breakdown) -> Terminal:
    """Return an evaluator's table; parts of a family are shown only if it has no other columns."""
    view = _empty(f"{found.title}: {breakdown.place(found)}, {words.size(found.key.ipc)}")
    whole = [column for column in found.columns if not column.score.family]
    columns = (whole or found.columns)[:_WIDE]
    view.add_column("method", overflow="fold")
    for column in columns:
        view.add_column(Text(breakdown.heading(column)), justify="right")
    for row in found.rows:
        shown = (f"{row.name} {row.state}".strip(), *(breakdown.cell(row, column) for column in columns))
        view.add_row(*map(Text, shown))
    return view


def _empty(title: str) -> Terminal:
    return Terminal(
        title=Text(title, "table.title"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
