"""DD-Ranking's scores as Markdown: what they mean, their columns, and what is missing."""

from collections.abc import Iterator

from suite.board.dd_ranking import (
    FULL_HARD,
    HARD,
    RANDOM_NATIVE,
    RELABELLED_SCORES,
    SCORES,
    DDScore,
)
from suite.board.render import words
from suite.board.render.layout import code, escaped, listed
from suite.board.rows import BoardRow
from suite.board.tables import Board, Table

_HARDENED = "its hard labels are the argmax of its soft labels"
_ONE_DRAW = "- one random subset: intervals of IOR and LRS leave out variation between random subsets"
_ONE_NETWORK = "- one full-data network: intervals of HLR and LRS leave out variation between such networks"
_NAMED = 3  # rows that a sentence names; more are counted


def explanation(board: Board) -> list[str]:
    """Return the explanation of the scores; nothing if no table shows one."""
    if not any(map(columns, board.tables)):
        return []
    return [
        "\n".join(f"- {text}" for text in _meanings(board)),
        "These scores follow DD-Ranking, [arXiv 2505.13300](https://arxiv.org/abs/2505.13300). They are "
        "computed from recorded accuracies, which the CSV has, so `ratbench leaderboard --label-weight 0.7` "
        "trains nothing. Intervals are computed as for **behind**.",
    ]


def _meanings(board: Board) -> Iterator[str]:
    yield from (score.explain(board.weights) for score in SCORES)
    if any(_relabelled(table) for table in board.tables):
        yield from dict.fromkeys(score.explain(board.weights) for score in RELABELLED_SCORES.values())


def columns(table: Table) -> list[DDScore]:
    """Return the scores of each evaluator that was planned or run, or for which a row has a score."""
    asked = {evaluator for row in table.rows for evaluator in row.robustness.evaluators}
    asked |= {score.evaluator for row in table.rows for score in row.robustness.scores}
    shown = [score for score in SCORES if score.evaluator in asked]
    second = [RELABELLED_SCORES.get(score) if _relabelled(table) else None for score in shown]
    return [score for pair in zip(shown, second, strict=True) for score in pair if score]


def cell(row: BoardRow, score: DDScore) -> str:
    """Return a row's score as text; "" if it has none."""
    if (value := row.robustness.scores.get(score)) is None:
        return ""
    return words.spanned(value, 1, 3) if score.normalised else words.spanned(value, 100)


def remarks(row: BoardRow) -> list[str]:
    """Return the footnotes on a row's scores."""
    hardened = row.costs.label_kind == "soft" and HARD in row.robustness.accuracies
    return [*row.robustness.remarks, *([_HARDENED] if hardened else [])]


def limits(table: Table) -> list[str]:
    """Return lines on what the intervals leave out, whose labels there are, and which scores are missing."""
    return [*_limits(table), *_missing(table)]


def _relabelled(table: Table) -> bool:
    """Return whether a row of `table` has, or should have, a score against relabelled random subsets."""
    own = {*RELABELLED_SCORES.values()}
    return any(own & {*row.robustness.scores, *row.robustness.missing} for row in table.rows)


def _limits(table: Table) -> list[str]:
    found = [row.robustness for row in table.rows]
    draws = [each.accuracies[RANDOM_NATIVE].seeds for each in found if RANDOM_NATIVE in each.accuracies]
    networks = [each.accuracies[FULL_HARD].measured for each in found if FULL_HARD in each.accuracies]
    teachers = sorted({each.teacher for each in found if each.teacher})
    return [
        *([_ONE_DRAW] if 1 in draws else []),
        *([_ONE_NETWORK] if False in networks else []),
        *(f"- relabelled: random images with labels of {escaped(teacher)}" for teacher in teachers),
    ]


def _missing(table: Table) -> list[str]:
    """Return a line on the missing scores, each with its rows and what is to be done."""
    groups: dict[tuple[str, str], list[str]] = {}
    for score in columns(table):
        rows = [row for row in table.rows if score in row.robustness.missing]
        remedies = dict.fromkeys(each for row in rows for each in row.robustness.missing[score])
        if rows:
            names = listed(row.name for row in rows) if len(rows) <= _NAMED else f"{len(rows)} rows"
            groups.setdefault((names, ", ".join(map(code, remedies))), []).append(score.title)
    told = [f"{' and '.join(titles)} of {names} ({todo})" for (names, todo), titles in groups.items()]
    return [f"- missing: {'; '.join(told)}"] if told else []
