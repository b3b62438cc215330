"""Leaderboards from stores: records in; Markdown, CSV, JSON or a DataFrame out.

Equal records give equal bytes.

    board = load([Path("runs/demo")])
    write(board, Path("leaderboard.md"))
"""

import difflib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import pandas

from suite.board.anytime.devices import told_apart
from suite.board.columns.signers import marked
from suite.board.dd_ranking import DEFAULT_WEIGHTS, Weights
from suite.board.join import refuse_protocol, valid_records
from suite.board.render import plots, words
from suite.board.render.frame import as_csv, frame, lines
from suite.board.render.markdown import markdown
from suite.board.reported import reported
from suite.board.tables import Board, Table, board
from suite.core.files.atomic_write import write_output
from suite.core.files.documents import document
from suite.records import submission
from suite.records.datasets import tell_apart
from suite.records.jobs import Plan, Planned
from suite.records.record import Record, read_record
from suite.records.signatures import checking
from suite.records.stores import layout, reading
from suite.records.submission import Submission
from suite.records.upkeep import facts

Format = Literal["md", "csv", "json", "html"]

Memory = Mapping[Path, Record | None]
"""Records that were read already, by path; None for a damaged one."""

REPORTED = "reported.toml"
"""The file of accuracies printed in papers: in a store, or in results/."""


@dataclass(frozen=True)
class Documents:
    """What stores hold: records, failures among them, planned cells that have none or whose settings were
    tuned, and warnings of unreadable files.

    submissions: what was handed in; the records of verifications are among the others.
    """

    records: tuple[Record, ...]
    planned: tuple[Planned, ...]
    warnings: tuple[str, ...]
    submissions: tuple[Submission, ...] = ()


def leaderboard(stores: Sequence[Path | str] | Path | str) -> pandas.DataFrame:
    """Return the board of `stores` with one line per row, best first in each table, as in CSV and JSON.

    evaluator, task, ipc, network, conditions, within (a budget in device-seconds): the table; name, label:
    the row; state: "" if complete; seeds, copies. Values with an interval have three columns: `x`, `x_low`
    and `x_high`.

    Lines of `retrain` have rank, method, hyperparameters, errors; standing: `claimed` or `verified` for a
    submission, else `run here`; signers: who signed all of its records, as `ratbench leaderboard --signers`
    shows; size: images per class of the whole set; accuracy (under the standard recipe), behind, native
    (under native_recipe): fractions; share: of the full-data accuracy. DD-Ranking's scores ior, hlr, lrs,
    ars, with robustness_recipe as native recipe, and their accuracies, such as set_hard; ior_relabelled,
    lrs_relabelled and ars_relabelled of a row with soft labels, where random subsets have a teacher's labels,
    too. tries, tuning_seconds: how its settings were chosen on the holdout, 0 if they were given.
    device_seconds, peak_memory_bytes, stored_bytes, bits_per_class, label_kind, devices; device_class:
    compare times only within one; teacher_bytes: beside stored_bytes, of teachers that label every batch;
    decoded: images per class of a factorised set. reported, reported_source: accuracy in a paper, in percent.

    Lines of other evaluators have the scores that the board shows, as returned, such as
    `cross_architecture/mean`.

    Raises FileNotFoundError without a store, ValueError for records of another protocol.
    """
    several = [stores] if isinstance(stores, str | Path) else stores
    return frame(load([Path(store) for store in several]))


def load(
    stores: Sequence[Path],
    weights: Weights = DEFAULT_WEIGHTS,
    signers: Path | None = None,
    memory: Memory | None = None,
) -> Board:
    """Return the board of `stores`; log a warning for everything that is left out.

    Accuracies printed in papers come from the first `reported.toml` in a store, or else from results/.
    signers: a file of those whose signatures are shown; without one, none is.
    """
    return joined(read(stores, memory), stores, weights, signers)


@reading.uncollected()
def joined(
    found: Documents,
    stores: Sequence[Path],
    weights: Weights = DEFAULT_WEIGHTS,
    signers: Path | None = None,
) -> Board:
    """Return the board of what was read from `stores`, as `load` does."""
    source = reported_in(stores)
    made = board(
        found.records,
        planned=found.planned,
        submissions=found.submissions,
        reported=reported(source) if source else (),
        warnings=found.warnings,
        weights=weights,
    )
    signed, unsigned = checking.signed(stores, signers) if signers else ({}, [])
    for warning in (*made.warnings, *unsigned):
        warnings.warn(warning, stacklevel=4)  # one is of the decorator
    return marked(made, signed) if signers else made


def reported_in(stores: Sequence[Path]) -> Path | None:
    """Return the first `reported.toml` in a store, or else in results/; None if there is none."""
    found = (folder / REPORTED for folder in (*stores, Path("results")))
    return next((path for path in found if path.is_file()), None)


@reading.uncollected()
def read(stores: Sequence[Path], memory: Memory | None = None) -> Documents:
    """Read all records, failures and plans of `stores`; a damaged file becomes a warning.

    Of two results of one cell on the same data the first counts, with a warning: that of the store that is
    named first. What a budget bought on two classes of devices counts twice. memory: records that were read
    already. Raises ValueError for a store of another protocol, FileNotFoundError without a store.
    """
    records: list[Record] = []
    planned: list[Planned] = []
    skipped: list[str] = []
    found: list[list[tuple[str, Path, Record]]] = [[] for _ in stores]
    for store, its in zip(stores, found, strict=True):
        for kind, path in _documents(store):
            try:
                if kind == "plan":
                    planned += Plan.model_validate_json(document(path)).cells
                    continue
                known = memory.get(path) if memory else None
                its.append((kind, path, known or read_record(document(path), path.stem[:64])))
            except FileNotFoundError:
                continue  # a failure that was overcome meanwhile
            except (OSError, ValueError) as error:
                skipped.append(f"{path}: skipped, {reading.reason(error)}")
    first: dict[tuple[str, str], tuple[Path, str]] = {}
    apart = told_apart([[record for *_, record in each] for each in found])
    for (kind, path, _), record in zip(chain(*found), chain(*apart), strict=True):
        before, sha256 = path, record.sha256
        if kind == "records":
            before, sha256 = first.setdefault((record.cell.id, record.data), (path, record.sha256))
        if sha256 != record.sha256:
            skipped.append(f"{path}: skipped, {before} has another result of the same cell, and comes first")
        elif before == path:
            records.append(record)
    submissions: list[Submission] = []
    for folder in (folder for store in stores for folder in submission.folders(store)):
        try:
            own = Submission.read(folder)
            submission.check_files(folder, own)
        except ValueError as error:
            skipped.append(f"submission left out: {error}")
            continue
        submissions.append(own)
        try:
            records += submission.verification(folder, own)
        except ValueError as error:
            skipped.append(f"submission {own.name} is shown as a claim: {error}")
    recorded = set(map(_key, records))
    kept = tuple(each for each in planned if each.tuned or _key(each) not in recorded)
    return Documents(tuple(records), kept, tuple(skipped), tuple(submissions))


def finished(stores: Sequence[Path], *, diverged: bool = False) -> list[Record]:
    """Return the valid finished record of each cell and data of `stores`; log a warning for each left out.

    A task's name has its data if records of several data have it. diverged: also those that diverged.
    """
    found = read(stores)
    told_apart, _, mixed = tell_apart(found.records, found.planned)
    records, refusals = valid_records(told_apart)
    for warning in (*found.warnings, *mixed, *refusals):
        warnings.warn(warning, stacklevel=2)
    wanted = ("done", "diverged") if diverged else ("done",)
    return [record for record in records if record.status in wanted]


def render(board: Board, format: Format, folder: Path | None = None) -> str:
    """Return the board as text; raises ValueError for an unknown format.

    folder: where Markdown is to stand, beside its plots, and with links to the pictures that are there.
    """
    if format not in get_args(Format):
        raise ValueError(f"unknown format {format!r}; known: {', '.join(get_args(Format))}")
    if format == "md":
        return markdown(board, folder)
    if format == "csv":
        return as_csv(frame(board))
    if format == "html":
        table = frame(board).to_html(index=False, na_rep="", border=0)
        return f'<!doctype html>\n<meta charset="utf-8">\n<title>Leaderboard</title>\n{table}\n'
    content = {
        "protocol": board.protocol,
        "versions": board.versions,
        "weights": asdict(board.weights),
        "rows": [_parsed(line) for line in lines(board)],
        "average_ranks": [asdict(each) for each in board.averages.complete],
        "methods": [asdict(each) for each in board.methods],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def write(board: Board, target: Path, format: Format = "md") -> list[Path]:
    """Write the board to the file `target`, and for Markdown `plots/` beside it; return all paths.

    Markdown links the pictures in `pictures/` beside it.
    """
    paths = [target]
    for path, table in _plots(board, target, format).items():
        if not plots.is_current(path, table):
            write_output(path, plots.plot(table))
        paths.append(path)
    write_output(target, render(board, format, target.parent).encode())
    return paths


def check(board: Board, target: Path, format: Format = "md") -> str:
    """Return how `target` and its plots differ from the output of `write`; "" if they are up to date.

    Text is compared byte for byte, plots by the fingerprint of their values.
    """
    differences = [text] if (text := difference(target, render(board, format, target.parent))) else []
    for path, table in _plots(board, target, format).items():
        if not plots.is_current(path, table):
            differences.append(f"plots/{path.name} is missing or shows other records")
    return "\n".join(differences)


def difference(target: Path, wanted: str) -> str:
    """Return how the text of a file differs from the wanted one; "" if it does not."""
    found = target.read_bytes().decode(errors="replace") if target.is_file() else ""
    names = (f"{target.name} as it is", f"{target.name} from the records")
    lines = list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), *names, lineterm=""))
    if found != wanted and not lines:
        return f"{target.name} differs in its line ends"
    return "\n".join(lines)


def sets(board: Board) -> Iterator[tuple[str, str, str]]:
    """Yield the path beside the Markdown, the trial id and the data of each picture that it can link."""
    for row, task in ((row, table.task) for table in board.tables for row in table.rows):
        for seed, trial in row.pictures:
            yield words.picture(task, row, seed), trial, row.data


def _key(document: Record | Planned) -> tuple[str, str, str]:
    return document.cell.id, document.task, document.data


def _documents(store: Path) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the path of each file of a store."""
    kinds = ("records", "failures", "plan")
    if not any((store / kind).is_dir() for kind in (*kinds, submission.FOLDER)):
        raise FileNotFoundError(f"no store at {store}: run a grid first, or name the folder it wrote to")
    if (protocol := facts.stated(store) or facts.recorded(store)) is not None:
        refuse_protocol(protocol, str(store))
    for kind in kinds:
        yield from ((kind, path) for path in layout.below(store / kind, ".json"))


def _parsed(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line with its hyper-parameters parsed from JSON."""
    text = line.get("hyperparameters")
    return line if text is None else {**line, "hyperparameters": json.loads(text)}


def _plots(board: Board, target: Path, format: Format) -> dict[Path, Table]:
    """Return the table that each plot beside the Markdown shows."""
    folder = target.parent / "plots"
    drawn = [table for table in board.tables if table.ranked] if format == "md" else []
    return {folder / f"{words.slug(table)}.png": table for table in drawn}
