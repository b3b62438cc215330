"""What is folded below a ranked table: native recipes, scores, settings and where the numbers are from."""

from pathlib import Path

from suite.board.render import dd_ranking, words
from suite.board.render.layout import Notes, code, escaped, folded, listed, markdown_table, noted, row_name
from suite.board.rows import CLAIMED, BoardRow, Code
from suite.board.tables import Table
from suite.core.names import counted
from suite.records.cells import STANDARD_RECIPE

_SETTINGS = 4000  # letters of a row's settings; the rest is cut


def details(table: Table, folder: Path | None) -> list[str]:
    """Return the folded sections of a table; folder: where the Markdown stands, whose sets are linked."""
    scores = ", DD-Ranking scores" * bool(dd_ranking.columns(table))
    told = "Details of each row: labels, bits per class, memory, settings, sets, devices, code, errors"
    recipes = [*_beside(table), _recipes(table), _other_networks(table)]
    facts = [*_facts(table, folder), *_devices(table), *_code(table), *_errors(table)]
    return [
        *folded(f"Native and other recipes, printed accuracies{scores}", recipes),
        *folded(told, ["\n".join(facts)]),
    ]


def _beside(table: Table) -> list[str]:
    """Return the table of native accuracies, figures of papers and scores, and its notes."""
    notes = Notes()
    lines = [cells for row in table.everyone if len(cells := _cells(table, row, notes)) > 1]
    order = ["method", "native %", "printed %", *(score.title for score in dd_ranking.columns(table))]
    columns = [name for name in order if any(name in line for line in lines)]
    text = markdown_table(columns, [[line.get(name, "–") for name in columns] for line in lines])
    return [text, "\n".join([*notes.lines(), *dd_ranking.limits(table)])] if lines else []


def _cells(table: Table, row: BoardRow, notes: Notes) -> dict[str, str]:
    """Return a row's cells by column, without empty ones."""
    ipc = table.ipc if row.method else 0
    printed = [
        noted(escaped(entry.text(ipc)), notes.mark([entry.note_beside(table.task)]))
        for entry in row.papers.same_network
    ]
    cells = {
        "method": noted(row_name(row), notes.mark(dd_ranking.remarks(row))),
        "native %": escaped(words.native(row)),
        "printed %": "; ".join(printed),
        **{score.title: dd_ranking.cell(row, score) for score in dd_ranking.columns(table)},
    }
    return {name: text for name, text in cells.items() if text}


def _recipes(table: Table) -> str:
    """Return the accuracies under recipes that are neither the standard nor the row's native one."""
    lines = [
        f"- {row_name(row)}: "
        + ", ".join(f"{code(name)} {escaped(words.under(row, name))}" for name in found)
        for row in table.everyone
        if row.standing != CLAIMED and (found := sorted({*row.scores} - {STANDARD_RECIPE, row.native}))
    ]
    return "\n".join(["Accuracy % under other recipes, not ranked:", "", *lines]) if lines else ""


def _other_networks(table: Table) -> str:
    """Return accuracies printed in papers for other networks, beside ours under the native recipes."""
    lines = []
    for row in table.rows:
        ours = words.accuracy(row) if row.native == STANDARD_RECIPE else words.native(row)
        for entry in row.papers.other_networks:
            texts = (ours, entry.text(table.ipc), entry.network, entry.note_beside(table.task))
            lines.append([row_name(row), *map(escaped, texts)])
    if not lines:
        return ""
    text = markdown_table(["method", "native %", "printed %", "network", "source"], lines)
    return f"Accuracies printed in papers for other networks, beside ours:\n\n{text}"


def _facts(table: Table, folder: Path | None) -> list[str]:
    """Return a line for each row: its share of full data, labels, bits, memory, settings and sets."""
    return [f"- {row_name(row)}: {'; '.join(told)}" for row in table.everyone if (told := _told(row, folder))]


def _told(row: BoardRow, folder: Path | None) -> list[str]:
    share, memory, settings = words.share(row), words.memory(row.costs.peak_memory_bytes), words.settings(row)
    bits = words.bits(row.costs.bits_per_class)
    sets = ", ".join(f"[seed {seed}]({path})" for seed, path in words.kept(row, folder))
    facts = [
        f"{share} of full-data accuracy" if share else "",
        f"{row.costs.label_kind} labels" if row.costs.label_kind else "",
        f"{bits} per class" if bits else "",
        f"peak memory {memory}" if memory else "",
        code(settings, letters=_SETTINGS) if settings else "",
        f"sets of {sets}" if sets else "",
    ]
    return [fact for fact in facts if fact]


def _devices(table: Table) -> list[str]:
    """Return a line for each device, with the rows that were measured on it, unless it is the only one."""
    rows: dict[str, list[str]] = {}
    for row in table.everyone:
        for device in row.costs.devices:
            rows.setdefault(device, []).append(row.name)
    names = {device: f": {listed(found)}" if len(rows) > 1 else "" for device, found in sorted(rows.items())}
    return [f"- measured on {escaped(device)}{found}" for device, found in names.items()]


def _code(table: Table) -> list[str]:
    """Return a line on the code of the records, unless all come from the same."""
    parts = []
    for name, fact in zip(Code._fields, ("commit", "torch version", "protocol"), strict=True):
        of_rows = [(row, {getattr(made, name) for made in row.made_by}) for row in table.everyone]
        count = len(set().union(*(found for _, found in of_rows)))
        within = listed(row.name for row, found in of_rows if len(found) > 1)
        if count > 1:
            parts.append(counted(count, fact) + f" ({within} with more than one)" * bool(within))
    return [f"- measured with {' and '.join(parts)}"] if parts else []


def _errors(table: Table) -> list[str]:
    """Return a line for each error of a row."""
    return [f"- {row_name(row)}: {escaped(error)}" for row in table.everyone for error in row.errors]
