"""The sets of a board: each with its record, its files in the stores, and its picture."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from suite.board.join import TrialResult
from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.tables import Table
from suite.records.cells import Trial
from suite.records.record import Record
from suite.records.store import Store
from suite.site import paths
from suite.site.details.papers import Aids, Look
from suite.site.source import Source

_AS_ON_THE_BOARD = """As on the Markdown board: the preprocessing is undone; values are clipped, or, of \
whitened images, stretched."""


@dataclass(frozen=True)
class Set:
    """A distilled set, and where its pages and files stand in the site. table: the first one with its row."""

    table: Table
    row: BoardRow
    seed: int
    result: TrialResult
    record: Record[Trial]
    stores: tuple[Path, ...]
    aids: Aids

    @property
    def page(self) -> str:
        """The path of its page."""
        return paths.artefact(self.table.task, self.row, self.seed)

    @property
    def stem(self) -> str:
        """The path of its files without their endings."""
        return self.page.removesuffix(".html")

    @property
    def picture(self) -> str:
        """The path of its picture, which exists if its file could be drawn, or a store has it."""
        return f"{self.stem}.png"

    @property
    def title(self) -> str:
        """A few words that tell it from other sets."""
        return f"{self.row.name} on {self.table.task}, {words.size(self.row.size)}, seed {self.seed}"

    @cached_property
    def artefact(self) -> Path | str:
        """Its file in a store, or why there is none to hand out."""
        trial, data = self.result.trial.id, self.record.data
        there = [
            path for store in map(Store, self.stores) if (path := store.artefact(trial, data=data)).is_file()
        ]
        if not there:
            return "the file of this set is not in the store"
        wanted = self.record.artefact
        found = [path for path in there if wanted in ("", hashlib.sha256(path.read_bytes()).hexdigest())]
        return (
            found[0]
            if found
            else "the file in the store is not the one that was evaluated: its sha256 differs"
        )

    @cached_property
    def look(self) -> Look:
        """What its file shows; a store's picture if there is none."""
        artefact = self.artefact
        found = Look(missing=artefact) if isinstance(artefact, str) else self._look(artefact)
        if found.picture or not (picture := self._stored_picture()):
            return found
        return replace(found, picture=picture, told=_AS_ON_THE_BOARD)

    def _look(self, artefact: Path) -> Look:
        return self.aids.look(artefact, Path(self.stem).name)

    def _stored_picture(self) -> bytes:
        name = words.picture(self.table.task, self.row, self.seed)
        found = (store / name for store in self.stores)
        return next((path.read_bytes() for path in found if path.is_file()), b"")

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest beside its file; empty without one."""
        if isinstance(self.artefact, str):
            return {}
        try:
            found = json.loads(self.artefact.with_suffix(".json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def sets(source: Source) -> Iterator[Set]:
    """Yield each set of the board's rows once, in the order of the tables."""
    results = {(each.trial.id, each.task): each for each in source.cells.trials}
    seen: set[str] = set()
    for table in source.board.tables:
        for row in table.rows:
            for seed, trial in row.pictures:
                result = results[trial, table.task]
                found = Set(table, row, seed, result, _made(result), source.stores, source.aids)
                if found.page not in seen:
                    seen.add(found.page)
                    yield found


def _made(result: TrialResult) -> Record[Trial]:
    assert result.record is not None  # a row has pictures of made sets only
    return result.record  # type: ignore[return-value]
