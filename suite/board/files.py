"""The leaderboard: records in, Markdown, CSV and JSON out, the same bytes for the same records.

found = read([Path("runs"), Path("results")])
made = board(found.records, planned=found.planned, reported=reported(Path("results/reported.toml")))
write(made, Path("results/leaderboard.md"))
"""

import difflib
import json
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from suite.board.join import refuse_protocol, valid_records
from suite.board.render import markdown, plots
from suite.board.render.markdown import terminal
from suite.board.render.words import picture
from suite.board.reported import Reported, reported
from suite.board.rows import BoardRow
from suite.board.tables import Board, Table, board
from suite.records.jobs import Plan, Planned
from suite.records.record import Record

__all__ = [
    "Board",
    "BoardRow",
    "Found",
    "Reported",
    "Table",
    "board",
    "check",
    "finished",
    "pictures",
    "read",
    "render",
    "reported",
    "terminal",
    "write",
]

Format = Literal["md", "csv", "json"]


@dataclass(frozen=True)
class Found:
    """What stores hold: records, failures among them, planned cells, and what could not be read."""

    records: tuple[Record, ...]
    planned: tuple[Planned, ...]
    warnings: tuple[str, ...]


def read(stores: Sequence[Path]) -> Found:
    """Read all records, failures and plans of `stores`; a damaged file becomes a warning.

    Raises ValueError on a record of another protocol version, FileNotFoundError without a store.
    """
    records: list[Record] = []
    planned: list[Planned] = []
    skipped: list[str] = []
    for kind, path in (document for store in stores for document in _documents(store)):
        try:
            content = json.loads(path.read_bytes())
            if kind == "plan":
                planned += Plan.model_validate(content).cells
            else:
                records.append(_record(content, path))
        except (ValidationError, json.JSONDecodeError, UnicodeDecodeError, _Unusable) as error:
            skipped.append(f"{path}: skipped, {_reason(error)}")
    return Found(tuple(records), tuple(planned), tuple(skipped))


def finished(stores: Sequence[Path]) -> list[Record]:
    """Return the finished record of each cell of `stores`, as a board does; warn of what is left out."""
    found = read(stores)
    records, refusals = valid_records(found.records)
    for warning in (*found.warnings, *refusals):
        warnings.warn(warning, stacklevel=2)
    return [record for record in records if record.status == "done"]


def render(board: Board, format: Format, *, pictures: Collection[str] = (), plots: bool = False) -> str:
    """Return the board as text. pictures: paths that Markdown may link to; plots: whether it shows them."""
    if format not in get_args(Format):
        raise ValueError(f"format {format!r} is none of {', '.join(get_args(Format))}")
    if format == "md":
        return markdown.markdown(board, pictures=pictures, plots=plots)
    lines = markdown.frame(board)
    if format == "csv":
        return lines.to_csv(index=False, lineterminator="\n")
    rows = json.loads(lines.to_json(orient="records", double_precision=15))
    rows = [{**row, "hyperparameters": json.loads(row["hyperparameters"])} for row in rows]
    averages = [asdict(each) for each in board.averages.complete]
    content = {
        "protocol": board.protocol,
        "versions": board.versions,
        "weights": asdict(board.weights),
        "rows": rows,
        "average_ranks": averages,
        "breakdowns": [asdict(each) for each in board.breakdowns],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def write(board: Board, target: Path, format: Format = "md") -> list[Path]:
    """Write the board to the file `target`, beside Markdown its `plots/`; return all paths.

    Markdown links to those pictures of `pictures/` which lie beside it already.
    """
    paths = [target]
    target.parent.mkdir(parents=True, exist_ok=True)
    for path, tables in _plots(board, target, format).items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(plots.plot(tables))
        paths.append(path)
    target.write_bytes(_published(board, target, format).encode())
    return paths


def check(board: Board, target: Path, format: Format = "md") -> str:
    """Return how `target` and its plots differ from what `write` would make; "" when they are current.

    Text is compared byte for byte, plots by the fingerprint of what they show.
    """
    found = target.read_bytes().decode(errors="replace") if target.is_file() else ""
    wanted = _published(board, target, format)
    names = (f"{target.name} as it is", f"{target.name} from the records")
    lines = difflib.unified_diff(found.splitlines(), wanted.splitlines(), *names, lineterm="")
    differences = list(lines) if found != wanted else []
    if found != wanted and not differences:
        differences.append(f"{target.name} differs in its line ends")
    for path, tables in _plots(board, target, format).items():
        if not plots.is_current(path, tables):
            differences.append(f"plots/{path.name} is missing or shows other records")
    return "\n".join(differences)


def pictures(board: Board) -> dict[str, str]:
    """Return the trial id of each picture that the board would link to, by path beside the Markdown."""
    return {
        picture(table.task, row, seed): trial
        for table in board.tables
        for row in table.rows
        for seed, trial in row.pictures
    }


class _Unusable(Exception):
    """A file which is no sealed record."""


def _documents(store: Path) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the path of each file of a store."""
    kinds = ("records", "failures", "plan")
    if not any((store / kind).is_dir() for kind in kinds):
        raise FileNotFoundError(f"no store at {store}: run a grid first, or name the folder it wrote to")
    for kind in kinds:
        for path in sorted((store / kind).glob("**/*.json")):
            yield kind, path


def _record(content: Any, path: Path) -> Record:
    if not isinstance(content, dict) or not content.get("sha256"):
        raise _Unusable("not a sealed record")
    if isinstance(protocol := content.get("protocol"), int):
        refuse_protocol(protocol, str(path))  # before its fields, which may be others
    return Record.model_validate(content)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*(str(part) for part in first["loc"]), first["msg"]])
    return str(error)


def _published(board: Board, target: Path, format: Format) -> str:
    there = {path for path in pictures(board) if (target.parent / path).is_file()}
    return render(board, format, pictures=there, plots=True)


def _plots(board: Board, target: Path, format: Format) -> dict[Path, list[Table]]:
    found = plots.groups(board) if format == "md" else {}
    return {target.parent / "plots" / f"{name}.png": tables for name, tables in found.items()}
