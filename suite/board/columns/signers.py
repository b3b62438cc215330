"""Who signed the records of a board's rows."""

from dataclasses import replace

from suite.board.rows import BoardRow
from suite.board.tables import Board, Table
from suite.records.signatures.checking import Signed


def marked(board: Board, signed: Signed) -> Board:
    """Return a board whose rows name those who signed all of their records; `signed`: by seal."""
    return replace(board, tables=tuple(_table(each, signed) for each in board.tables))


def _table(table: Table, signed: Signed) -> Table:
    full = table.reference and _row(table.reference, signed)
    return replace(table, rows=tuple(_row(each, signed) for each in table.rows), reference=full)


def _row(row: BoardRow, signed: Signed) -> BoardRow:
    names = [signed.get(seal, frozenset()) for seal in row.seals]
    return replace(row, signers=tuple(sorted(frozenset.intersection(*names)))) if names else row
