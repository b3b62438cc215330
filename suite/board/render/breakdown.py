"""Breakdowns as Markdown, a heading per evaluator and a table per task and size; and for a terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table as Terminal
from tabulate import tabulate

from suite.board.breakdown import DROP, MEAN, PART, WHOLE, Breakdown, BreakdownRow, TableKey
from suite.board.render import words as words
from suite.board.render.footnotes import escaped

_WORDING = {
    "cross_architecture": ("Across architectures", "home"),
    "corruptions": ("Under corruptions", "clean"),
    "kernel_regression": ("By kernel regression", "kernel"),
}
"""An evaluator's heading, and the name of its first column; others are headed by their own name."""

_ONE_SEED = "- 1 seed: no interval across distillations"


def sections(breakdowns: Sequence[Breakdown]) -> list[str]:
    """Return the Markdown's paragraphs; none where there is no breakdown."""
    parts = []
    for evaluator, found in groupby(breakdowns, key=lambda each: each.place.evaluator):
        (title, first), group = wording(evaluator), list(found)
        introduction = _introduction(first, any(MEAN in each.columns for each in group))
        parts += [f"## {title}", introduction, *(part for each in group for part in _section(each))]
    return parts


def terminal(breakdowns: Sequence[Breakdown]) -> list[Terminal]:
    """Return a table per breakdown for a terminal of 80 columns: without the parts."""
    tables = []
    for breakdown in breakdowns:
        place = breakdown.place
        title, first = wording(place.evaluator)
        where = f"{place.task}, {words.network(place.network)}, {words.size(place.ipc)}"
        view = Terminal(
            title=f"{title}: {where}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        view.add_column("method", overflow="fold")
        for name in (first, MEAN, DROP):
            view.add_column(f"{name} %", justify="right")
        for row in breakdown.rows:
            shown = (
                words.percent(row.scores[key]) if key in row.scores else "–" for key in (WHOLE, MEAN, DROP)
            )
            view.add_row(*(escape(text) for text in (f"{row.name} {row.state}".strip(), *shown)))
        tables.append(view)
    return tables


def wording(evaluator: str) -> tuple[str, str]:
    """Return an evaluator's heading and the name of its first column."""
    return _WORDING.get(evaluator, (evaluator.replace("_", " ").capitalize(), WHOLE))


def _introduction(first: str, averaged: bool) -> str:
    text = "Accuracy in percent, with its 95% interval over distillation seeds and copies."
    if not averaged:
        return f"{text} The best **{first}** comes first."
    return (
        f"{text} **Mean** is over the columns between, **drop** what it lacks of **{first}**; "
        "the best mean comes first."
    )


def _section(breakdown: Breakdown) -> list[str]:
    place = breakdown.place
    text = tabulate(
        [_cells(breakdown, row) for row in breakdown.rows],
        headers=["method", *(_column(place, name) for name in breakdown.columns), "n"],
        tablefmt="github",
        disable_numparse=True,
        colalign=["left", *("right" for _ in breakdown.columns), "right"],
    )
    seeds = [row.scores[WHOLE].seeds for row in breakdown.rows if WHOLE in row.scores]
    notes = [f"- {place.conditions}"] * bool(place.conditions) + [_ONE_SEED] * (max(seeds, default=0) == 1)
    title = f"### {place.task}, {words.network(place.network)}: {words.size(place.ipc)}"
    return [part for part in (title, text, "\n".join(notes)) if part]


def _column(place: TableKey, name: str) -> str:
    return wording(place.evaluator)[1] if name == WHOLE else name.removeprefix(PART)


def _cells(breakdown: Breakdown, row: BreakdownRow) -> list[str]:
    """Return a row's cells; what is wrong with it stands by its name."""
    name = f"`{escaped(row.name)}`" + f" {row.state}" * bool(row.state)
    shown = (
        words.percent(row.scores[column]) if column in row.scores else "–" for column in breakdown.columns
    )
    return [name, *shown, words.times(row.scores[WHOLE]) if WHOLE in row.scores else "–"]
