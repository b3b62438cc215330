"""DD-Ranking's scores as Markdown: what they mean, and a table per evaluator with their accuracies."""

from collections.abc import Callable, Sequence

from suite.board.dd_ranking import (
    FULL_HARD,
    HARD,
    NATIVE,
    RANDOM_NATIVE,
    SCORES,
    TITLES,
    DDScore,
    Training,
)
from suite.board.render import words
from suite.board.render.layout import Notes, code, markdown_table, noted
from suite.board.rows import BoardRow
from suite.board.tables import Board, Table

_HARDENED = "hard labels are the argmax of its soft labels"
_ONE_DRAW = "one random subset: intervals of IOR and LRS do not cover the variation of random subsets"
_ONE_NETWORK = "one network: intervals of HLR and LRS do not cover the variation of full-data networks"

_Column = tuple[str, Callable[[BoardRow, Notes], str]]


def explanation(board: Board) -> list[str]:
    """Return the explanation of the scores; nothing if no table shows one."""
    if not any(_shows(table, evaluator) for table in board.tables for evaluator in TITLES):
        return []
    return [
        "\n".join(f"- {score.explain(board.weights)}" for score in SCORES),
        "These scores follow DD-Ranking, [arXiv 2505.13300](https://arxiv.org/abs/2505.13300). They use "
        "stored accuracies: `ratbench leaderboard --label-weight 0.7` trains nothing. Intervals are computed "
        "as for **behind**.",
    ]


def sections(table: Table) -> list[str]:
    """Return the tables of the scores and their accuracies, if there are any."""
    return [
        part
        for evaluator, title in TITLES.items()
        if _shows(table, evaluator)
        for part in _section(f"{title}:", table.rows, _columns(evaluator))
    ]


def _shows(table: Table, evaluator: str) -> bool:
    """Return whether a row of `table` has, or should have, a score of this evaluator."""
    own = {score for score in SCORES if score.evaluator == evaluator}
    found = [row.robustness for row in table.rows]
    return any(evaluator in each.evaluators or own & set(each.scores) for each in found)


def _columns(evaluator: str) -> list[_Column]:
    """Return the columns of an evaluator: each score after its new accuracies."""
    columns: dict[str, Callable[[BoardRow, Notes], str]] = {}
    for score in (each for each in SCORES if each.evaluator == evaluator):
        columns |= {training.title: _accuracy(training) for training in score.trainings}
        columns[score.title] = _score(score)
    return list(columns.items())


def _section(title: str, rows: Sequence[BoardRow], columns: Sequence[_Column]) -> list[str]:
    notes = Notes()
    lines = [
        [noted(code(row), notes.mark(row.robustness.remarks)), *(cell(row, notes) for _, cell in columns)]
        for row in rows
    ]
    text = markdown_table(["method", *(name for name, _ in columns)], lines)
    return [part for part in (title, text, "\n".join(notes.lines())) if part]


def _accuracy(training: Training) -> Callable[[BoardRow, Notes], str]:
    def cell(row: BoardRow, notes: Notes) -> str:
        found = row.robustness.accuracies.get(training)
        text = words.percent(found) if found else "–"
        if training == NATIVE and row.robustness.native_recipe:
            text += f" ({row.robustness.native_recipe})"
        remarks = {
            RANDOM_NATIVE: [_ONE_DRAW] if found and found.seeds == 1 else [],
            HARD: [_HARDENED] if found and row.costs.label_kind == "soft" else [],
            FULL_HARD: [_ONE_NETWORK] if found and not found.measured else [],
        }
        return noted(text, notes.mark(remarks.get(training, [])))

    return cell


def _score(score: DDScore) -> Callable[[BoardRow, Notes], str]:
    def cell(row: BoardRow, notes: Notes) -> str:
        found = row.robustness.scores.get(score)
        if found is None:
            return noted("missing", notes.mark([row.robustness.missing[score]]))
        return words.spanned(found, 1, 3) if score.normalised else words.spanned(found, 100)

    return cell
