"""What must be the same in a disturbed store and in an undisturbed one; what is left out is named here."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.records.cells import Trial
from suite.records.record import Record
from suite.records.stores import reading

OF_THE_MACHINE = (
    "seconds",
    "device_seconds",
    "peak_memory_bytes",
    "attempts",
    "provenance",
    "sha256",  # the seal over all of these
)
"""Fields of a record that are times, attempts, or facts about the process that did the work."""

TIMES = ("seconds",)
"""Parts of a record's curve, and of its scores, that are times."""

COLUMNS_OF_THE_MACHINE = ("device_seconds", "peak_memory_bytes", "devices", "device_class", "errors")
"""Columns of a board's rows that are made from such fields, and the reasons of failures."""

HEAD_OF_THE_MACHINE = ("versions",)
"""What a board says above its rows that is made from such fields."""

FOLDERS = ("records", "artefacts", "plan", "pictures")
"""Where both stores must have files of the same names."""


def without(values: Mapping[str, Any], left_out: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in left_out}


def of_record(record: Record) -> str:
    """Return what must be the same of a record."""
    values = without(record.model_dump(mode="json"), OF_THE_MACHINE)
    for name in ("curve", "scores"):
        values[name] = without(values[name], TIMES)
    return json.dumps(values, sort_keys=True)


def of_board(text: str) -> str:
    """Return what must be the same of a board in JSON."""
    board = without(json.loads(text), HEAD_OF_THE_MACHINE)
    board["rows"] = [without(row, COLUMNS_OF_THE_MACHINE) for row in board["rows"]]
    return json.dumps(board, indent=1, sort_keys=True)


def of_store(store: Path) -> dict[str, str]:
    """Return what must be the same of a finished store, by the names of its files."""
    found = {}
    for path in sorted(each for folder in FOLDERS for each in (store / folder).rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.is_relative_to(store / "records"):
                with suppress(ValueError):  # a file that is no record is another one than it should be
                    content = of_record(reading.checked(path, content)).encode()
            found[path.relative_to(store).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


class Seen:
    """The valid records of a store at one moment, by cell, and the sets on its disk."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.records = dict[str, Record]()
        self.paths = dict[str, Path]()
        for path in sorted(store.glob("records/*/*/*.json")):
            try:
                record = reading.checked(path)
            except (OSError, ValueError):
                continue
            self.records[record.cell.id], self.paths[record.cell.id] = record, path

    @property
    def trials(self) -> list[str]:
        return [cell for cell, record in self.records.items() if isinstance(record.cell, Trial)]

    def failures(self) -> set[str]:
        return {path.stem for path in self.store.glob("failures/*/*/*.json")}
