"""Evaluators' tables as Markdown, folded by evaluator."""

from collections.abc import Sequence
from itertools import chain, groupby

from suite.board.breakdown import Breakdown, BreakdownRow, Column
from suite.board.render import words
from suite.board.render.layout import code, escaped, folded, markdown_table
from suite.core.names import counted

_CONDITIONS = 2000  # letters of an evaluator's settings; the rest is cut
_ONE_SEED = "- 1 seed: intervals leave out variation between distillations"


def sections(breakdowns: Sequence[Breakdown]) -> list[str]:
    """Return the paragraphs of the Markdown, folded by evaluator; none without a table."""
    parts = []
    called = {(each.title, each.evaluator) for each in breakdowns}
    for evaluator, group in groupby(breakdowns, key=lambda each: each.evaluator):
        found = list(group)
        title = found[0].title
        shared = sum(other == title for other, _ in called) > 1  # for example by two tables of a grid
        name = escaped(f"{title} ({evaluator})" if shared else title)
        places = ", ".join(dict.fromkeys(escaped(each.key.task) for each in found))
        summary = f"{name}: {places}, {counted(len(found), 'table')}"
        parts += folded(summary, [_introduction(found[0].main), *chain(*map(_section, found))])
    return parts


def _introduction(main: Column) -> str:
    better = "highest" if main.score.better == "higher" else "lowest"
    return (
        f"With 95% intervals over sets and networks; n: sets × networks. Sorted by "
        f"**{escaped(main.heading)}**, {better} first. ↓: lower is better."
    )


def _section(breakdown: Breakdown) -> list[str]:
    main, conditions = breakdown.main, breakdown.key.conditions
    headers = ["method", *(escaped(heading(column)) for column in breakdown.columns), "n"]
    text = markdown_table(headers, [_cells(breakdown, row) for row in breakdown.rows])
    seeds = [row.scores[main.name].seeds for row in breakdown.rows if main.name in row.scores]
    notes = [f"- settings: {escaped(conditions, letters=_CONDITIONS)}"] * bool(conditions)
    notes += [_ONE_SEED] * (max(seeds, default=0) == 1)
    notes += [
        f"- {code(row.name)}: {escaped(told, letters=_CONDITIONS)}"
        for row in breakdown.rows
        if (told := verdicts(breakdown, row))
    ]
    return [f"**{escaped(place(breakdown))}: {words.size(breakdown.key.ipc)}**", text, "\n".join(notes)]


def verdicts(breakdown: Breakdown, row: BreakdownRow) -> str:
    """Return in which scores a row is better than random subsets; "" if it was not compared with them."""
    better, other = [], []
    for column in breakdown.columns:
        if (lead := row.leads.get(column.name)) is not None:
            gap = words.spanned(lead, 100 if column.score.unit == "percent" else 1)
            if lead.low > 0:
                better.append(f"with {column.heading} by {gap}")
            else:
                other.append(f"with {column.heading} ({gap})")
    told = {"better than random subsets": better, "not shown to be better": other}
    return "; ".join(f"{verdict} {', '.join(scores)}" for verdict, scores in told.items() if scores)


def _cells(breakdown: Breakdown, row: BreakdownRow) -> list[str]:
    """Return a row's cells; the name has the state."""
    name = code(row.name) + f" {row.state}" * bool(row.state)
    main = row.scores.get(breakdown.main.name)
    return [
        name,
        *(cell(row, column) for column in breakdown.columns),
        words.sample_size(main) if main else "–",
    ]


def cell(row: BreakdownRow, column: Column) -> str:
    """Return a row's score as text, "–" if it has none."""
    found = row.scores.get(column.name)
    return words.score(found, column.score.unit) if found else "–"


def heading(column: Column) -> str:
    """Return a column's heading, with its unit, and ↓ if lower is better."""
    unit = " %" if column.score.unit in ("percent", "choice") else ""
    return f"{column.heading}{unit}" + " ↓" * (column.score.better == "lower")


def place(breakdown: Breakdown) -> str:
    """Return a table's task, and its network if the evaluator has one."""
    key = breakdown.key
    return f"{key.task}, {words.network(key.network)}" if key.network else key.task
