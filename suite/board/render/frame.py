"""A board as lines of rounded values, for CSV, JSON and the DataFrame."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas
from pandas.api.types import is_numeric_dtype

from suite.board.breakdown import Breakdown, BreakdownRow
from suite.board.dd_ranking import AS_RELABELLED, RELABELLED_SCORES, SCORES, TRAININGS
from suite.board.render.words import DIGITS
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table
from suite.records.cells import RETRAIN

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def frame(board: Board) -> pandas.DataFrame:
    """Return `lines` as a DataFrame, with the columns of all evaluators."""
    found = lines(board)
    table = pandas.DataFrame(found)
    return table.astype({"rank": "Int64"}) if "rank" in table else table


def as_csv(table: pandas.DataFrame) -> str:
    """Return a table as CSV without formulas, which spreadsheets would run: texts like them are quoted."""
    safe = table.apply(lambda column: column if is_numeric_dtype(column) else column.map(_harmless))
    text: str = safe.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")
    return text


def lines(board: Board) -> list[dict[str, Any]]:
    """Return one line per row, those of other evaluators last; see `files.leaderboard`."""
    rows = [_line(table, row) for table in board.tables for row in table.everyone]
    return [*rows, *(_scores(each, row) for each in board.breakdowns for row in each.rows)]


def _line(table: Table, row: BoardRow) -> dict[str, Any]:
    return {
        "evaluator": RETRAIN,
        **table.key.facts,
        "rank": row.rank,
        "name": row.name,
        "label": row.label,
        "method": row.method,
        "hyperparameters": row.hyperparameters,
        "size": row.size,
        "state": row.state,
        "standing": row.standing,
        "signers": _listed(row.signers),
        "errors": _listed(row.errors),
        **_numbers("accuracy", row.accuracy),
        **_numbers("behind", row.behind),
        "seeds": row.accuracy.seeds if row.accuracy else 0,
        "copies": " ".join(str(count) for count in row.accuracy.copies) if row.accuracy else "",
        "tries": row.tuned.tries if row.tuned else 0,
        "tuning_seconds": row.tuned.device_seconds if row.tuned else None,
        "native_recipe": row.native,
        **_numbers("native", row.scores.get(row.native)),
        "share": round(row.share, DIGITS) if row.share is not None else None,
        **_robustness(row),
        "device_seconds": round(row.costs.device_seconds, 3),
        "peak_memory_bytes": row.costs.peak_memory_bytes,
        "stored_bytes": row.costs.stored_bytes,
        "teacher_bytes": row.costs.teacher_bytes,
        "bits_per_class": row.costs.bits_per_class,
        "decoded": row.costs.decoded,
        "label_kind": row.costs.label_kind,
        "devices": _listed(row.costs.devices),
        "device_class": row.costs.device_class,
        "reported": _listed(entry.text(table.ipc if row.method else 0) for entry in row.papers.same_network),
        "reported_source": _listed(entry.note_beside(table.task) for entry in row.papers.same_network),
    }


def _robustness(row: BoardRow) -> dict[str, Any]:
    found = row.robustness
    second = [each for each in RELABELLED_SCORES.values() if each in found.scores or each in found.missing]
    trainings = [*TRAININGS, *(AS_RELABELLED.values() if second else ())]
    values: dict[str, Interval | Difference | None] = {
        **{each.name: found.accuracies.get(each) for each in trainings},
        **{each.name: found.scores.get(each) for each in (*SCORES, *second)},
    }
    return {"robustness_recipe": found.native_recipe, **_all_numbers(values)}


def _scores(table: Breakdown, row: BreakdownRow) -> dict[str, Any]:
    main = row.scores.get(table.main.name)
    names = [column.name for column in table.columns]
    values: dict[str, Interval | Difference | None] = {
        f"{table.evaluator}/{name}": row.scores.get(name) for name in names
    }
    compared = [column.name for column in table.columns if column.score.against_random]
    values |= {f"{table.evaluator}/{name}_lead": row.leads.get(name) for name in compared}
    return {
        "evaluator": table.evaluator,
        **table.key.facts,
        "name": row.name,
        "label": row.label,
        "state": row.state,
        "seeds": main.seeds if main else 0,
        "copies": " ".join(str(count) for count in main.copies) if main else "",
        **_all_numbers(values),
    }


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = re.sub(r"\r\n?", "\n", value)  # the writer does not quote a single \r, which ends a row
    return f"'{text}" if value.startswith(_FORMULAS) else text


def _listed(texts: Iterable[str]) -> str:
    return " | ".join(texts)


def _all_numbers(values: Mapping[str, Interval | Difference | None]) -> dict[str, float | None]:
    return {key: number for name, value in values.items() for key, number in _numbers(name, value).items()}


def _numbers(name: str, value: Interval | Difference | None) -> dict[str, float | None]:
    ends = (value.mean, value.low, value.high) if value else (None, None, None)
    return {
        f"{name}{end}": round(number, DIGITS) if number is not None else None
        for end, number in zip(("", "_low", "_high"), ends, strict=True)
    }
