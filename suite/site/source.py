"""What all pages are made from: stores, read and joined once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from suite.board import files
from suite.board.tables import Board
from suite.records.record import Record
from suite.site.details.papers import NO_AIDS, Aids

MOST_RECORDS = 100_000
"""Records of a site; reading and comparing so many takes minutes."""

Aiding = Callable[[Sequence[Path], Sequence[Record]], Aids]
"""Gives what a site tells beside records, from stores and their records."""


@dataclass(frozen=True)
class Source:
    """Stores and their joined board. The rows are those of the Markdown, so pages cannot disagree with it.

    aids: what a site tells beside records.
    """

    stores: tuple[Path, ...]
    board: Board
    aids: Aids = NO_AIDS

    @property
    def finished(self) -> list[Record]:
        """The records of finished cells, each once."""
        return [record for record in self.board.cells.records if record.status == "done"]


def unaided(stores: Sequence[Path], records: Sequence[Record]) -> Aids:
    """Return nothing beside records."""
    return NO_AIDS


def load(stores: Sequence[Path], aiding: Aiding = unaided, signers: Path | None = None) -> Source:
    """Read and join `stores`; log a warning for everything that is left out.

    signers: a file of those whose signatures are shown. Raises FileNotFoundError without a store, ValueError
    for records of another protocol, or too many.
    """
    folders = (store / kind for store in stores for kind in ("records", "failures"))
    paths = (path for folder in folders for path in folder.glob("**/*.json"))
    if len(list(islice(paths, MOST_RECORDS + 1))) > MOST_RECORDS:
        most = f"{MOST_RECORDS:,} records"
        raise ValueError(f"the stores have more than {most}, the limit of a site; name fewer stores")
    found = files.read(stores)
    board = files.joined(found, stores, signers=signers)
    return Source(tuple(stores), board, aiding(stores, found.records))
