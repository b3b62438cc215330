"""The sets of a board, also those handed in: each with its record, its files and its picture."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from suite.board.cells import TrialResult
from suite.board.render import words
from suite.board.rows import CLAIMED, BoardRow
from suite.board.tables import Table
from suite.core.files.documents import read_json
from suite.records.cells import SUBMITTED
from suite.records.record import Record
from suite.records.store import Store
from suite.records.submission import FOLDER, SET
from suite.site import paths
from suite.site.details.papers import Aids, Look
from suite.site.source import Source

_AS_ON_THE_BOARD = """As on the Markdown board: the preprocessing is undone. The picture says whether its \
contrast is stretched."""


@dataclass(frozen=True)
class Set:
    """A distilled set, and where its pages and files stand in the site. table: the first one with its row.

    result: None of a claimed set, which nobody has verified.
    """

    table: Table
    row: BoardRow
    seed: int
    result: TrialResult | None
    stores: tuple[Path, ...]
    aids: Aids

    @property
    def record(self) -> Record | None:
        """The record of its distillation, or of its verification."""
        return self.result.record if self.result else None

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
        seed = "" if self.row.submission else f", seed {self.seed}"
        return f"{self.row.name} on {self.table.task}, {words.size(self.row.size)}{seed}"

    @cached_property
    def artefact(self) -> Path | str:
        """Its file in a store, or why there is none to hand out."""
        there = [path for path in map(self._file, self.stores) if path.is_file()]
        if not there:
            return "the set's file is not in the stores"
        own, record = self.row.submission, self.record
        wanted = own.files.get(SET) if own else record.artefact if record else ""
        found = [path for path in there if wanted in ("", hashlib.sha256(path.read_bytes()).hexdigest())]
        if not found:
            return "the file in the store is not the evaluated one: its sha256 differs"
        return found[0]

    def _file(self, store: Path) -> Path:
        if own := self.row.submission:
            return store / FOLDER / own.name / SET
        assert self.record
        return Store(store).artefact(self.record.cell.id, data=self.record.data)

    @cached_property
    def look(self) -> Look:
        """What its file shows; a store's picture if there is none."""
        artefact = self.artefact
        if self.row.standing == CLAIMED:  # only `ratbench verify` opens a stranger's file safely
            return Look(missing="the set is not verified, so its file is not opened")
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
            found = read_json(self.artefact.with_suffix(".json"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def sets(source: Source) -> Iterator[Set]:
    """Yield each set of the board's rows once, in the order of the tables."""
    trials = source.board.cells.trials
    results = {(each.trial.id, each.task): each for each in trials if each.finished}
    verified = {each.trial.source: each for each in trials if each.trial.method.startswith(SUBMITTED)}
    seen: set[str] = set()
    for table in source.board.tables:
        for row in table.rows:
            own, made = row.submission, dict(row.pictures)
            for seed in paths.sets(table.task, row):
                result = verified.get(own.sha256) if own else results[made[seed], table.task]
                found = Set(table, row, seed, result, source.stores, source.aids)
                if found.page not in seen:
                    seen.add(found.page)
                    yield found
