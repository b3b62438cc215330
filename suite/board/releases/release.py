"""Write a release of the board: a folder called by year and month, which never changes."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas

from suite.board import files
from suite.board.releases.changes import changes
from suite.board.releases.frozen import MANIFEST, SUMS, before, digest, number, read
from suite.board.render.frame import as_csv
from suite.core.files.atomic_write import faults_of
from suite.records.cells import PROTOCOL, Evaluation
from suite.records.datasets import Datasets
from suite.records.record import Record

RECORDS = "records.csv"


@dataclass(frozen=True)
class Made:
    """What made a release. version: of RaT-Bench; commit: of its code; atlas: the text of atlas.md."""

    version: str
    commit: str
    atlas: str


def release(name: str, stores: Sequence[Path], folder: Path, made: Made) -> Path:
    """Write the release `name` of the board of `stores` below `folder`; return its own folder.

    The same records and the same code give the same bytes, whatever the order of the stores' files. It is
    compared with the last release before it in `folder`. Raises ValueError for a name that is no year and
    month, for one that exists, for a store that cannot be published, and for a damaged release before it.
    """
    number(name)
    target = folder / name
    if target.exists():
        raise ValueError(
            f"{target} exists, and a release never changes; choose another name, such as {_next(name)}"
        )
    last, found = before(folder, name), files.read(stores)
    records = {each.sha256: each for each in found.records}
    if bad := [*found.warnings, *Datasets.of(found.records).mixed]:
        raise ValueError(f"a release needs undamaged stores with the same data for each task: {bad[0]}")
    board = files.load(stores)
    if not board.tables:
        raise ValueError(f"{', '.join(map(str, stores))}: no records for a board; run a grid first")
    texts = {
        "leaderboard.md": files.render(board, "md"),
        "leaderboard.csv": files.render(board, "csv"),
        "leaderboard.json": files.render(board, "json"),
        "atlas.md": made.atlas,
        RECORDS: _listed(records.values()),
    }
    manifest: dict[str, Any] = {
        "release": name,
        "before": last.name if last else None,
        "protocol": PROTOCOL,
        "version": made.version,
        "commit": made.commit,
        "records": len(records),
        "commits": list(board.commits),
        "versions": list(board.versions),
        "recipes": sorted(_recipes(records.values())),
        "weights": asdict(board.weights),
    }
    rows = json.loads(texts["leaderboard.json"])["rows"]
    texts["changes.md"] = changes(name, manifest, rows, read(last) if last else None)
    texts[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    _write(target, texts)
    return target


def _write(target: Path, texts: Mapping[str, str]) -> None:
    """Write the files with their checksums into a folder beside `target`, which then gets its name."""
    sums = "".join(f"{digest(text.encode())}  {name}\n" for name, text in sorted(texts.items()))
    partial = target.with_name(f".partial-{target.name}-{os.getpid()}")
    try:
        with faults_of(target):
            partial.mkdir(parents=True)
            for name, text in {**texts, SUMS: sums}.items():
                (partial / name).write_bytes(text.encode())
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _listed(records: Iterable[Record]) -> str:
    """Return the records as CSV, sorted, each with its own sha256 and that of its set."""
    lines = [
        {
            "task": each.task,
            "ipc": each.ipc,
            "label": each.label,
            "kind": each.cell.kind,
            "cell": each.cell.id,
            "status": each.status,
            "data": each.data,
            "commit": each.provenance.commit,
            "artefact": each.artefact,
            "sha256": each.sha256,
        }
        for each in records
    ]
    lines.sort(key=lambda line: [str(value) for value in line.values()])
    return as_csv(pandas.DataFrame(lines))


def _recipes(records: Iterable[Record]) -> set[str]:
    cells = [each.cell for each in records if isinstance(each.cell, Evaluation)]
    return {
        str(cell.settings[key])
        for cell in cells
        for key in ("recipe", "native_recipe")
        if key in cell.settings
    }


def _next(name: str) -> str:
    year, month, *further = number(name)
    return f"{year}.{month:02}.{further[0] + 1 if further else 1}"
