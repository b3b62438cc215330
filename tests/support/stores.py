"""Whole stores as tests change and compare them."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from suite.records.cells import Evaluation, Trial
from suite.records.record import Record

HOSTILE = "\x1b[2J[/red]\x9b31m"
"""A name that commands a terminal, and breaks markup."""


def record_of(store: Path, label: str, kind: type[Trial] | type[Evaluation]) -> Path:
    """Return the file of the first record of a row and kind."""
    paths = sorted(store.glob(f"records/*/{label}/*.json"))
    return next(
        path for path in paths if isinstance(Record.model_validate_json(path.read_bytes()).cell, kind)
    )


def change(path: Path, **values: Any) -> Record:
    """Change fields of a record on disk; it is sealed again."""
    record = Record.model_validate_json(path.read_bytes()).model_copy(update={"sha256": "", **values})
    path.write_text(record.to_json())
    return record


def content(store: Path) -> dict[str, str]:
    """Return the sha256 of every file of a store but those of locks."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.name != "driver.lock"
    }


def kept(store: Path) -> dict[str, str]:
    """Return what a merge copies of a store's content."""
    folders = ("records/", "artefacts/", "plan/", "jobs/", "failures/", "submissions/", "store.json")
    return {name: digest for name, digest in content(store).items() if name.startswith(folders)}


def renamed(path: Path, label: str) -> Path:
    """Give a record another row, and its file the place of one that was copied by hand."""
    target = path.parent.with_name("by-hand") / path.name
    target.parent.mkdir(exist_ok=True)
    shutil.move(path, target)
    change(target, label=label)
    return target
