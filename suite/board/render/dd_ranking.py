"""DD-Ranking's scores as Markdown: what they mean, and a table per evaluator with their accuracies."""

from collections.abc import Callable, Iterator, Sequence

from suite.board.dd_ranking import (
    AS_RELABELLED,
    FULL_HARD,
    HARD,
    NATIVE,
    RANDOM_AUGMENTED,
    RANDOM_NATIVE,
    RANDOM_PLAIN,
    RELABELLED_SCORES,
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
        "\n".join(f"- {text}" for text in _meanings(board)),
        "These scores follow DD-Ranking, [arXiv 2505.13300](https://arxiv.org/abs/2505.13300). They use "
        "stored accuracies: `ratbench leaderboard --label-weight 0.7` trains nothing. Intervals are computed "
        "as for **behind**.",
    ]


def _meanings(board: Board) -> Iterator[str]:
    yield from (score.explain(board.weights) for score in SCORES)
    if any(map(_has_second_reference, board.tables)):
        yield from dict.fromkeys(score.explain(board.weights) for score in RELABELLED_SCORES.values())


def sections(table: Table) -> list[str]:
    """Return the tables of the scores and their accuracies, if there are any."""
    return [
        part
        for evaluator, title in TITLES.items()
        if _shows(table, evaluator)
        for part in _section(f"{title}:", table.rows, _columns(table, evaluator))
    ]


def _shows(table: Table, evaluator: str) -> bool:
    """Return whether a row of `table` has, or should have, a score of this evaluator."""
    own = {score for score in SCORES if score.evaluator == evaluator}
    found = [row.robustness for row in table.rows]
    return any(evaluator in each.evaluators or own & set(each.scores) for each in found)


def _has_second_reference(table: Table) -> bool:
    """Return whether a row of `table` has, or should have, a score against relabelled random subsets."""
    own = {*RELABELLED_SCORES.values()}
    return any(own & {*row.robustness.scores, *row.robustness.missing} for row in table.rows)


def _columns(table: Table, evaluator: str) -> list[_Column]:
    """Return the columns of an evaluator: each score after its new accuracies."""
    columns: dict[str, Callable[[BoardRow, Notes], str]] = {}
    scores = [score for score in SCORES if score.evaluator == evaluator]
    if _has_second_reference(table):
        beside = ((score, RELABELLED_SCORES.get(score)) for score in scores)
        scores = [score for pair in beside for score in pair if score]
    for score in scores:
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
        one_draw = [_ONE_DRAW] if found and found.seeds == 1 else []
        teacher = f"labels of {row.robustness.teacher}"
        remarks = {
            RANDOM_NATIVE: one_draw,
            AS_RELABELLED[RANDOM_NATIVE]: [teacher, *one_draw],
            AS_RELABELLED[RANDOM_AUGMENTED]: [teacher],
            AS_RELABELLED[RANDOM_PLAIN]: [teacher],
            HARD: [_HARDENED] if row.costs.label_kind == "soft" else [],
            FULL_HARD: [_ONE_NETWORK] if found and not found.measured else [],
        }
        return noted(text, notes.mark(remarks.get(training, []) if found else []))

    return cell


def _score(score: DDScore) -> Callable[[BoardRow, Notes], str]:
    def cell(row: BoardRow, notes: Notes) -> str:
        found = row.robustness.scores.get(score)
        if found is None and score not in row.robustness.missing:
            return "–"  # its labels are hard
        if found is None:
            return noted("missing", notes.mark([row.robustness.missing[score]]))
        return words.spanned(found, 1, 3) if score.normalised else words.spanned(found, 100)

    return cell
