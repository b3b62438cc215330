"""What all pages are made from: stores, read and joined once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from suite.board import files
from suite.board.join import Cells, join
from suite.board.tables import Board
from suite.records.record import Record
from suite.site.details.papers import NO_AIDS, Aids


@dataclass(frozen=True)
class Source:
    """Stores and their joined board. records: all that were read, failures among them, as they are on disk.

    aids: what it tells beside records.

    The board's rows are those of the Markdown, so a page that shows them cannot disagree with it.
    """

    stores: tuple[Path, ...]
    records: tuple[Record, ...]
    board: Board
    aids: Aids = NO_AIDS

    @cached_property
    def cells(self) -> Cells:
        """The records joined by set, as the board has joined them."""
        return join(self.records, ())


def load(stores: Sequence[Path], aids: Aids = NO_AIDS) -> Source:
    """Read and join `stores`; log a warning for everything that is left out.

    Raises FileNotFoundError without a store, ValueError for records of another protocol.
    """
    found = files.read(stores)
    return Source(tuple(stores), found.records, files.joined(found, stores), aids)
