"""A board as text: Markdown for the repository, a frame for CSV and JSON, tables for the terminal."""

from collections.abc import Collection
from typing import Any

import pandas
from rich.box import SIMPLE_HEAD
from rich.table import Table as Terminal
from tabulate import tabulate

from suite.board.render import breakdown
from suite.board.render import dd_ranking as compared
from suite.board.render import words as words
from suite.board.render.footnotes import Notes, code, escaped, noted
from suite.board.reported import STANDARD_NETWORK
from suite.board.rows import BoardRow
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Board, Table
from suite.records.cells import EXTERNAL, STANDARD_RECIPE

_DIGITS = 6  # of fractions in CSV and JSON: beyond, sums differ between machines
_INTRODUCTION = f"""# Leaderboard

Networks trained from scratch on each synthetic set, scored on the test split. **Accuracy** is the mean
in percent under the standard recipe `{STANDARD_RECIPE}`, which ranks, with its 95% interval over
distillation seeds and the copies retrained on each set; **n** is distillation seeds × copies. **Behind**
is the difference to the best row of the group above, or of its own, with its own 95% interval, paired by
seed and by retrained network: where it contains zero the two share a rank. With two or three seeds a
difference is still claimed too often: between equal methods in 14% and 8% of simulated cases. **Native**
is the accuracy under the recipe of the method's own paper, **of full data** the share of what the same
network reaches on all of train. **Device time** is one distillation, in GPU-seconds or CPU-thread-seconds.
**Reported** is what a paper prints, under its own recipe and often with the test split choosing; it is
never part of our figures. Incomplete rows are not ranked."""

_ONE_SEED = "1 seed: no interval across distillations; ranks are of these sets alone"


def markdown(board: Board, *, pictures: Collection[str] = (), plots: bool = False) -> str:
    """Return the board as Markdown. pictures: paths, as `picture` gives them, that may be linked to."""
    parts = [_INTRODUCTION, *compared.explanation(board)]
    for place, table in enumerate(board.tables):
        before = board.tables[place - 1] if place else None
        if before is None or before.task != table.task:
            parts.append(f"## {table.task}")
        if plots and words.drawable(table) and (before is None or words.slug(table) != words.slug(before)):
            parts.append(
                f"![Accuracy against images per class: {words.heading(table)}](plots/{words.slug(table)}.png)"
            )
        parts += _section(table, pictures)
    parts += breakdown.sections(board.breakdowns)
    return "\n\n".join([*parts, *_averages(board), *_provenance(board)]) + "\n"


def frame(board: Board) -> pandas.DataFrame:
    """Return one line per row and reference, rounded: what CSV and JSON hold."""
    lines = [_line(table, row) for table in board.tables for row in _everyone(table)]
    return pandas.DataFrame(lines).astype({"rank": "Int64"}) if lines else pandas.DataFrame()


def terminal(board: Board) -> list[Terminal]:
    """Return a table per table of the board, compact enough for a terminal of 80 columns."""
    tables = []
    for table in board.tables:
        title = f"{words.heading(table)}, {words.size(table.ipc)}"
        view = Terminal(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("rank", "method", "accuracy %", "native %", "of full", "time"):
            view.add_column(name, justify="left" if name == "method" else "right", overflow="fold")
        for row in _everyone(table):
            name = row.name.replace("[", r"\[")
            accuracy = words.accuracy(row).replace("[", r"\[")
            native = words.native(row, brief=True)
            view.add_row(words.rank(row), name, accuracy, native, words.share(row), words.cost(row))
        if any(row.external for row in table.rows):
            view.caption, view.caption_justify = f"{EXTERNAL}…: {words.EXTERNAL_NOTE}", "left"
        tables.append(view)
    return [*tables, *breakdown.terminal(board.breakdowns)]


def _section(table: Table, pictures: Collection[str]) -> list[str]:
    notes = Notes()
    lines = [_cells(table, row, notes, pictures) for row in _everyone(table)]
    columns = [name for name in lines[0] if any(line[name] for line in lines)]
    text = tabulate(
        [[line[name] or "–" for name in columns] for line in lines],
        headers=columns,
        tablefmt="github",
        disable_numparse=True,
        colalign=["left" if name in ("method", "pictures") else "right" for name in columns],
    )
    title = f"### {words.heading(table)}: {words.size(table.ipc)}"
    devices = _devices(table)
    once = [f"- measured on {devices[0]}"] if len(devices) == 1 else []
    once += [f"- {_ONE_SEED}"] if _one_seed(table) else []
    below = "\n".join([*notes.lines(), *once])
    parts = [
        title,
        text,
        below,
        *compared.sections(table),
        _recipes(table),
        _elsewhere(table),
        _settings(table),
    ]
    return [part for part in parts if part]


def _cells(table: Table, row: BoardRow, notes: Notes, pictures: Collection[str]) -> dict[str, str]:
    """Return a row's cells by column; "" where there is nothing to say."""
    links = [(seed, words.picture(table.task, row, seed)) for seed, _ in row.pictures]
    return {
        "rank": words.rank(row),
        "method": noted(code(row), notes.mark(_remarks(table, row))),
        "accuracy %": words.accuracy(row),
        "behind %": words.behind(row),
        "n": words.count(row),
        "native %": words.native(row),
        "of full data": words.share(row),
        "device time": words.cost(row),
        "peak memory": words.memory(row.peak_memory_bytes),
        "stored": noted(words.memory(row.stored_bytes), notes.mark(_decoded(row))),
        "labels": row.label_kind,
        "reported %": "; ".join(
            noted(entry.text(table.ipc if row.method else 0), notes.mark([entry.note]))
            for entry in row.reported
        ),
        "pictures": " ".join(f"[{seed}]({path})" for seed, path in links if path in pictures),
    }


def _everyone(table: Table) -> list[BoardRow]:
    return [*table.rows, *([table.reference] if table.reference else [])]


def _devices(table: Table) -> list[str]:
    return sorted({device for row in _everyone(table) for device in row.devices})


def _one_seed(table: Table) -> bool:
    """Return whether no row has a second distillation seed, which is then said once."""
    seeds = [row.accuracy.seeds for row in table.rows if row.accuracy]
    return bool(seeds) and max(seeds) == 1


def _remarks(table: Table, row: BoardRow) -> list[str]:
    """Return what footnotes say of a row."""
    remarks = [*row.errors, *([words.EXTERNAL_NOTE] if row.external else [])]
    if row.method and row.accuracy and row.accuracy.seeds == 1 and not _one_seed(table):
        remarks.append(_ONE_SEED)
    if row.accuracy and not row.accuracy.measured:
        remarks.append("one network: no interval")
    if row.method and row.size != table.ipc:
        remarks.append(f"time and memory are those of the whole run, at {words.size(row.size)}")
    several = len(_devices(table)) > 1
    return [*remarks, *(f"measured on {device}" for device in row.devices if several)]


def _decoded(row: BoardRow) -> list[str]:
    return [f"bytes of a code, which decodes to {words.size(row.decoded)}"] if row.decoded else []


def _recipes(table: Table) -> str:
    """Return the accuracies under every other recipe, unless one row's native column says it all."""
    rows = _everyone(table)
    others = sorted({name for row in rows for name in row.scores} - {STANDARD_RECIPE})
    shown = [row for row in rows if any(name in row.scores for name in others)]
    if len(shown) < 2 and all({*row.scores} <= {STANDARD_RECIPE, row.native} for row in shown):
        return ""
    lines = [
        [code(row), *(words.under(row, name) if name in row.scores else "–" for name in others)]
        for row in shown
    ]
    text = tabulate(lines, headers=["method", *others], tablefmt="github", disable_numparse=True)
    return f"Under the other recipes, accuracy %, not ranked:\n\n{text}"


def _elsewhere(table: Table) -> str:
    """Return what papers print for other networks, beside the accuracy under the recipes of these papers."""
    lines = [
        [code(row), ours, entry.text(table.ipc), entry.network, entry.note]
        for row in table.rows
        for ours in [words.accuracy(row) if row.native == STANDARD_RECIPE else words.native(row)]
        for entry in row.elsewhere
    ]
    if not lines:
        return ""
    headers = ["method", "own recipe %", "printed %", "network", "printed in"]
    align = ["left", "right", "right", "left", "left"]
    text = tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)
    return f"Printed for other networks, beside what ours gave:\n\n{text}"


def _settings(table: Table) -> str:
    """Return the hyper-parameters of every row, folded away."""
    lines = [f"- {code(row)}: {escaped(found)}" for row in table.rows if (found := words.settings(row))]
    if not lines:
        return ""
    return "\n".join(["<details><summary>Hyper-parameters</summary>", "", *lines, "", "</details>"])


def _averages(board: Board) -> list[str]:
    """Return the average ranks over tables, nothing where there is nothing to average."""
    found = board.averages.complete
    if not found:
        return []
    lines = [
        [f"`{escaped(each.name)}`", f"{each.rank:.2f}", ", ".join(f"{rank:g}" for rank in each.ranks)]
        for each in found
    ]
    headers = ["method", "average rank", "in each table"]
    align = ["left", "right", "left"]
    text = tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)
    tables, rows = len(found[0].ranks), board.averages.rows
    return [
        "## Average rank",
        f"Over the {tables} tables that rank two rows or more, in their order above. "
        f"{len(found)} of {rows} rows are complete in all of them and are ranked anew among themselves; "
        "tied rows share the mean of their places.",
        text,
    ]


def _provenance(board: Board) -> list[str]:
    reads = ", ".join(str(number) for number in board.test_reads) or "none"
    other = ", ".join(str(number) for number in board.distillation_reads) or "none"
    return [
        "## Provenance",
        f"- Protocol {board.protocol}; standard network `{STANDARD_NETWORK}`.\n"
        f"- Reads of the test split: {reads} per evaluation, {other} per distillation.\n"
        f"- Code: {', '.join(board.commits) or 'none'}.\n"
        f"- Versions: {', '.join(board.versions) or 'none'}.",
    ]


def _line(table: Table, row: BoardRow) -> dict[str, Any]:
    own = row.scores.get(row.native)
    return {
        "task": table.task,
        "ipc": table.ipc,
        "network": table.network,
        "conditions": table.conditions,
        "rank": row.rank,
        "name": row.name,
        "label": row.label,
        "method": row.method,
        "hyperparameters": row.hyperparameters,
        "size": row.size,
        "state": row.state,
        "errors": " | ".join(row.errors),
        **_numbers("accuracy", row.accuracy),
        **_numbers("behind", row.behind),
        "seeds": row.accuracy.seeds if row.accuracy else 0,
        "copies": " ".join(str(count) for count in row.accuracy.copies) if row.accuracy else "",
        "native_recipe": row.native,
        **_numbers("native", own),
        "share": round(row.share, _DIGITS) if row.share is not None else None,
        **compared.numbers(row),
        "device_seconds": round(row.device_seconds, 3),
        "peak_memory_bytes": row.peak_memory_bytes,
        "stored_bytes": row.stored_bytes,
        "decoded": row.decoded,
        "label_kind": row.label_kind,
        "devices": " | ".join(row.devices),
        "reported": " | ".join(entry.text(table.ipc if row.method else 0) for entry in row.reported),
        "reported_source": " | ".join(entry.note for entry in row.reported),
    }


def _numbers(name: str, value: Interval | Difference | None) -> dict[str, float | None]:
    parts = {"": "mean", "_low": "low", "_high": "high"}
    return {
        f"{name}{end}": round(getattr(value, part), _DIGITS) if value else None for end, part in parts.items()
    }
