"""The ranked table as Markdown: one that fits the width of a page on GitHub, and the notes on its numbers."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from suite.board.render import words
from suite.board.render.layout import Notes, escaped, link, listed, markdown_table, noted, row_name
from suite.board.rows import CLAIMED, BoardRow
from suite.board.tables import Table
from suite.core.names import CORRECTED_RECIPES, counted
from suite.records.cells import STANDARD_RECIPE

_NAMED = 5  # rows without pictures whose names are listed

_ONE_SEED = "1 seed: intervals leave out variation between distillations; ranks hold for these sets only"


def ranking(table: Table, papers: Mapping[str, str], folder: Path | None) -> list[str]:
    """Return a line on what is compared, the table, and the notes on its numbers.

    papers: the address of a label's paper; folder: where the Markdown stands, whose pictures are linked.
    """
    notes = Notes()
    lines = [_cells(table, row, notes, papers, folder) for row in table.everyone]
    columns = [name for name in lines[0] if any(line[name] for line in lines)]
    text = markdown_table(columns, [[line[name] or "–" for name in columns] for line in lines])
    once = [*_one_seed(table), *_corrected(table), *_undrawn(table, folder)]
    return [_compared(table), text, "\n".join([*notes.lines(), *(f"- {each}" for each in once)])]


def _compared(table: Table) -> str:
    """Return what is true of all rows: the recipe, the number of networks, the device."""
    size, device = _common_size(table), _common_device(table)
    parts = [
        f"Ranked by accuracy under the recipe `{STANDARD_RECIPE}`",
        f"means over {size} (sets × networks) with 95% intervals" if size else "means with 95% intervals",
        f"device time on {escaped(device)}" if device else "",
    ]
    return f"{', '.join(filter(None, parts))}. Incomplete rows are not ranked."


def _common_size(table: Table) -> str:
    """Return the seeds × copies of all rows that have an accuracy; "" if they differ."""
    sizes = {words.count(row) for row in table.rows if row.accuracy and row.standing != CLAIMED}
    return sizes.pop() if len(sizes) == 1 else ""


def _common_device(table: Table) -> str:
    """Return the class of devices of most rows; "" if none is known."""
    found = Counter(row.costs.device_class for row in table.everyone if words.cost(row))
    return max(sorted(found), key=lambda name: found[name], default="")


def _cells(
    table: Table, row: BoardRow, notes: Notes, papers: Mapping[str, str], folder: Path | None
) -> dict[str, str]:
    """Return a row's cells by column; "" for an empty cell."""
    elsewhere = row.costs.device_class != _common_device(table)
    device = [f"on {row.costs.device_class}: compare times only within one device"] if elsewhere else []
    name = link(row_name(row), papers.get(row.label, ""))
    return {
        "rank": words.rank(row),
        "method": noted(name, notes.mark(_remarks(table, row))),
        "accuracy %": escaped(words.accuracy(row)),
        "behind": words.behind(row),
        "n": "" if _common_size(table) else words.count(row),
        "tuned": words.tuned(row),
        "device time": noted(words.cost(row), notes.mark(device)) if words.cost(row) else "",
        "stored": noted(
            words.stored(row.costs.stored_bytes, row.costs.teacher_bytes), notes.mark(_stored(row))
        ),
        "pictures": " ".join(f"[{seed}]({path})" for seed, path in words.drawn(table, row, folder)),
    }


def _remarks(table: Table, row: BoardRow) -> list[str]:
    """Return the footnotes on what a row's numbers mean."""
    remarks = [told for told in (words.origin(row), words.signed(row)) if told]
    if row.method and row.accuracy and row.accuracy.seeds == 1 and not _one_seed(table):
        remarks.append(_ONE_SEED)
    if row.accuracy and not row.accuracy.measured and row.standing != CLAIMED:
        remarks.append("one network: no interval")
    if row.method and row.size != table.ipc:
        remarks.append(f"device time of the whole set, {words.size(row.size)}")
    return remarks


def _stored(row: BoardRow) -> list[str]:
    """Return the footnotes on the bytes of a row's set."""
    factorised, taught = words.decoded(row), words.taught(row)
    by = f" under {row.native}" if row.native in row.scores else ""
    return [
        *([f"factorised: {factorised}"] if factorised else []),
        *([f"{taught}{by}"] if taught else []),
    ]


def _one_seed(table: Table) -> list[str]:
    """Return a line if no row has a second distillation seed."""
    seeds = [row.accuracy.seeds for row in table.rows if row.accuracy]
    return [_ONE_SEED] if seeds and max(seeds) == 1 else []


def _corrected(table: Table) -> list[str]:
    """Return a line on native recipes that were corrected since."""
    found = dict.fromkeys(row.native for row in table.rows if row.native in CORRECTED_RECIPES)
    told = ", ".join(f"`{name}`, now `{CORRECTED_RECIPES[name][0]}`" for name in found)
    return [f"native recipes corrected after these rows were measured: {told}"] if told else []


def _undrawn(table: Table, folder: Path | None) -> list[str]:
    """Return a line on the rows with sets that have no picture."""
    if folder is None:
        return []
    lacking = [row.name for row in table.rows if len(words.drawn(table, row, folder)) < len(row.pictures)]
    few = listed(lacking) if len(lacking) <= _NAMED else counted(len(lacking), "row")
    return [f"pictures are missing ({few}): their sets are not in the stores"] if lacking else []
