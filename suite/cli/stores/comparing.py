"""A comparison as a table, Markdown, CSV or JSON."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas
from rich.box import SIMPLE_HEAD
from rich.table import Table

from suite.board.comparison.pairs import Compared, Comparison, Side
from suite.board.render import words
from suite.board.render.frame import as_csv
from suite.board.render.layout import escaped, markdown_table
from suite.records.remote.reading import RECORDS, here
from suite.records.stores import addresses

_MISTAKEN = ((2, "14 to 37%"), (4, "8 to 14%"), (10**9, "about 5%"))
"""Up to a number of seeds, how often a difference is shown where there is none: see `difference`."""


def sides(first: Path, second: Path | None, methods: Sequence[str]) -> tuple[Side, Side]:
    """Return what two stores or addresses, or one with two methods, stand for; raises ValueError."""
    if len(methods) > 2 or (second is None and len(methods) < 2):
        raise ValueError("name two stores or addresses, or one store and --method twice")
    names = [*methods, *methods][:2] or ["", ""]
    both = [_side(each, name) for each, name in zip((first, second or first), names, strict=True)]
    return both[0], both[1]


def _side(text: Path, method: str) -> Side:
    parts = addresses.split(text)
    if parts is None:
        return Side(here(text, RECORDS), method)
    if method:
        raise ValueError(f"{text} names a row already; leave out --method {method}")
    return Side(parts[0], parts[1], tuple(addresses.readings(parts[1])))


def table(found: Comparison) -> Table:
    """Return the pairs as a table."""
    heads, rows = _columns(found)
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in heads:
        numbers = name in ("ipc", "A %", "B %", "B − A", "cost")
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def before(found: Comparison) -> Iterator[str]:
    """Yield the lines above the table."""
    yield f"A: {found.names[0]}"
    yield f"B: {found.names[1]}"
    for name in ("network", "recipe"):
        if len(values := {getattr(pair, name) for pair in found.pairs}) == 1:
            yield f"{name}: {values.pop()}"


def after(found: Comparison) -> Iterator[str]:
    """Yield the lines below the table: how to read it, and what else differs."""
    yield (
        "B − A in points with its 95% interval, paired by seed and network; n: sets × networks of A and B; "
        "cost: device-seconds of distillation, B over A"
    )
    seeds = [min(each.seeds for each in pair.accuracies) for pair in found.pairs]
    if 1 in seeds:
        yield "with one seed the interval covers the networks retrained on one set, not other distillations"
    if several := [count for count in seeds if count > 1]:
        share = next(share for count, share in _MISTAKEN if min(several) <= count)
        yield f"of methods that are equal, {share} are shown to differ, with {min(several)} seeds"
    yield from (f"differs: {fact}" for fact in found.facts)
    for pair in found.pairs:
        for fact in (fact for fact in pair.facts if fact not in found.facts):
            yield f"differs at {pair.task} ipc {pair.ipc} {_rows(pair)}: {fact}"
    for place, rows in found.alone.items():
        yield f"{place}: {', '.join(rows)}"


def text(found: Comparison, format: Literal["markdown", "csv", "json"]) -> str:
    """Return the comparison in a format for files."""
    if format == "markdown":
        heads, rows = _columns(found)
        body = markdown_table(
            heads, [[_plain(cell) for cell in row] for row in rows], ("task", "row", "B is")
        )
        lines = ["\n".join(f"- {_plain(line)}" for line in each) for each in (before(found), after(found))]
        return f"{lines[0]}\n\n{body}\n\n{lines[1]}\n"
    fields = [_fields(pair) for pair in found.pairs]
    if format == "json":
        content: dict[str, Any] = {"first": found.names[0], "second": found.names[1], "pairs": fields}
        content |= {"differs": found.facts, "alone": found.alone}
        return json.dumps(content, indent=1) + "\n"
    joined = [{**each, "differs": "; ".join(each["differs"])} for each in fields]
    return as_csv(pandas.DataFrame(joined, dtype=object))


def _columns(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows; what is equal in all rows stands above the table."""
    shown: dict[str, Callable[[Compared], str]] = {
        "task": lambda pair: pair.task,
        "ipc": lambda pair: str(pair.ipc),
        "row": _rows,
        "network": lambda pair: words.network(pair.network),
        "recipe": lambda pair: pair.recipe,
        "A %": lambda pair: words.percent(pair.accuracies[0]),
        "B %": lambda pair: words.percent(pair.accuracies[1]),
        "B − A": lambda pair: words.spanned(pair.difference, 100),
        "B is": lambda pair: pair.verdict,
        "cost": lambda pair: "" if pair.ratio is None else f"× {pair.ratio:.2g}",
        "n": lambda pair: " / ".join(pair.samples),
    }
    same = {name for name in ("network", "recipe") if len({getattr(pair, name) for pair in found.pairs}) == 1}
    heads = [name for name in shown if name not in same]
    return heads, [[shown[name](pair) for name in heads] for pair in found.pairs]


def _fields(pair: Compared) -> dict[str, Any]:
    first, second = pair.accuracies
    return {
        "task": pair.task,
        "ipc": pair.ipc,
        "network": pair.network,
        "conditions": pair.conditions,
        "recipe": pair.recipe,
        "first": pair.rows[0],
        "second": pair.rows[1],
        "first_accuracy": first.mean,
        "first_low": first.low,
        "first_high": first.high,
        "second_accuracy": second.mean,
        "second_low": second.low,
        "second_high": second.high,
        "difference": pair.difference.mean,
        "difference_low": pair.difference.low,
        "difference_high": pair.difference.high,
        "paired_seeds": pair.difference.paired,
        "first_n": pair.samples[0],
        "second_n": pair.samples[1],
        "second_is": pair.verdict,
        "cost_ratio": pair.ratio,
        "differs": list(pair.facts),
    }


def _rows(pair: Compared) -> str:
    return pair.rows[0] if pair.rows[0] == pair.rows[1] else " → ".join(pair.rows)


def _plain(text: str) -> str:
    """Return text as Markdown that has neither HTML nor links."""
    return escaped(text).replace("<", "&lt;").replace("](", "]\\(")
