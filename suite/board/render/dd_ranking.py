"""Rows against their references as text: two small tables, and columns for CSV and JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from suite.board.dd_ranking import AUGMENTATION, LABEL, PARTS, SCORES
from suite.board.render import words as words
from suite.board.render.footnotes import Notes, code, noted
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table
from suite.records.cells import RANDOM

_Cell = Callable[[BoardRow, Notes], str]

_HARDENED = "hard labels are the argmax of its soft ones"
_ONE_DRAW = "one random subset: how much another one differs is not in the intervals of IOR and LRS"
_ONE_NETWORK = "one network: how much another one differs is not in the intervals of HLR and LRS"
_DIGITS = 6  # of fractions in CSV and JSON, as in the board's other columns


def explanation(board: Board) -> list[str]:
    """Return what the scores mean, nothing where no table shows one."""
    if not any(_shows(table, LABEL) or _shows(table, AUGMENTATION) for table in board.tables):
        return []
    label, augmentation = board.weights.label, board.weights.augmentation
    return [
        f"""**IOR** is what a set adds to real images: its accuracy under the recipe of its method's own
paper less that of `{RANDOM}` at the same size under the same recipe, in points. **HLR** is what it loses to
all of train: full data less the set, both with hard labels (soft ones become their argmax), in points.
**LRS**, from 0 to 1, is high where a set is good without help from soft labels or from a recipe of its own:
(e^α − e⁻¹) / (e − e⁻¹) of α = {label:g} IOR − {1 - label:g} HLR, in fractions. **ARS** is the same of
β = {augmentation:g} × the gain over `{RANDOM}` with augmentation + {1 - augmentation:g} × the gain without; a
set no better than `{RANDOM}` has 0.269. Their intervals are made as that of **behind**. After DD-Ranking,
arXiv 2505.13300, from stored accuracies: `ratbench leaderboard --label-weight 0.7` trains nothing."""
    ]


def sections(table: Table) -> list[str]:
    """Return the tables of LRS and of ARS with the accuracies that they come from, where there are any."""
    shown = {
        "With hard labels, and against random subsets and full data": (LABEL, _label_columns()),
        "With and without augmentation, against random subsets": (AUGMENTATION, _augmentation_columns()),
    }
    return [
        part
        for title, (kind, columns) in shown.items()
        if _shows(table, kind)
        for part in _section(f"{title}:", table.rows, columns)
    ]


def numbers(row: BoardRow) -> dict[str, Any]:
    """Return the accuracies and scores of a row for CSV and JSON, None where there are none."""
    found: Mapping[str, Interval | Difference] = {**row.compared.accuracies, **row.compared.scores}
    ends = {"": "mean", "_low": "low", "_high": "high"}
    values = {
        f"{name}{end}": round(getattr(found[name], part), _DIGITS) if name in found else None
        for name in (*(f"{part}" for part in PARTS), *SCORES)
        for end, part in ends.items()
    }
    return {"own_recipe": row.compared.own, **values}


def _shows(table: Table, kind: str) -> bool:
    """Return whether a table has a score of this kind, or an evaluation that was to give one."""
    scores = ("ior", "hlr") if kind == LABEL else ("ars",)
    found = [row.compared for row in table.rows]
    return any(kind in each.asked or any(name in each.scores for name in scores) for each in found)


def _label_columns() -> dict[str, _Cell]:
    return {
        "own recipe %": _own,
        "random %": _random,
        "IOR": _points("ior"),
        "hard labels %": _hard,
        "full data %": _full,
        "HLR": _points("hlr"),
        "LRS": _fraction("lrs"),
    }


def _augmentation_columns() -> dict[str, _Cell]:
    return {
        "augmented %": _accuracy("augmented"),
        "random, augmented %": _accuracy("random_augmented"),
        "plain %": _accuracy("plain"),
        "random, plain %": _accuracy("random_plain"),
        "ARS": _fraction("ars"),
    }


def _section(title: str, rows: Sequence[BoardRow], columns: Mapping[str, _Cell]) -> list[str]:
    notes = Notes()
    lines = [
        [noted(code(row), notes.mark(row.compared.remarks)), *(cell(row, notes) for cell in columns.values())]
        for row in rows
    ]
    align = ["left", *["right"] * len(columns)]
    headers = ["method", *columns]
    text = tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)
    return [part for part in (title, text, "\n".join(notes.lines())) if part]


def _own(row: BoardRow, notes: Notes) -> str:
    text = _accuracy("own")(row, notes)
    return f"{text} ({row.compared.own})" if row.compared.own else text


def _accuracy(part: str) -> _Cell:
    def cell(row: BoardRow, notes: Notes) -> str:
        found = row.compared.accuracies.get(part)
        return words.percent(found) if found else "–"

    return cell


def _random(row: BoardRow, notes: Notes) -> str:
    found = row.compared.accuracies.get("random")
    lacking = [_ONE_DRAW] if found and found.seeds == 1 else []
    return noted(_accuracy("random")(row, notes), notes.mark(lacking))


def _hard(row: BoardRow, notes: Notes) -> str:
    hardened = [_HARDENED] if "hard" in row.compared.accuracies and row.label_kind == "soft" else []
    return noted(_accuracy("hard")(row, notes), notes.mark(hardened))


def _full(row: BoardRow, notes: Notes) -> str:
    found = row.compared.accuracies.get("full")
    lacking = [_ONE_NETWORK] if found and not found.measured else []
    return noted(_accuracy("full")(row, notes), notes.mark(lacking))


def _points(score: str) -> _Cell:
    return _scored(score, words.points)


def _fraction(score: str) -> _Cell:
    return _scored(score, words.fraction)


def _scored(score: str, text: Callable[[Difference], str]) -> _Cell:
    def cell(row: BoardRow, notes: Notes) -> str:
        found = row.compared.scores.get(score)
        return text(found) if found else noted("missing", notes.mark([row.compared.missing[score]]))

    return cell
