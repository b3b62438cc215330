"""A board as Markdown."""

from collections.abc import Collection

from suite.board.render import breakdown, dd_ranking, words
from suite.board.render.layout import Notes, code, escaped, markdown_table, noted
from suite.board.rows import CLAIMED, BoardRow, Code
from suite.board.tables import Board, Table
from suite.core.names import CORRECTED_RECIPES, STANDARD_NETWORK, counted
from suite.records.cells import STANDARD_RECIPE

_INTRODUCTION = f"""Networks trained from scratch on each synthetic set, scored on the test split.

- **Accuracy**: mean in percent under the standard recipe `{STANDARD_RECIPE}`, by which rows are ranked, with
  its 95% interval over distillation seeds and retrained copies. **n**: distillation seeds × copies.
- **Behind**: gap to the best row of the next better tie group (inside a group, to its best row), with its
  95% interval, paired by seed and by retrained network. Rows whose interval contains zero share a rank. With
  two or three seeds, equal methods still get different ranks in 14% and 8% of simulations.
- **Native**: accuracy under the recipe of the method's paper. **Of full data**: accuracy divided by that of
  the same network trained on the full training split.
- **Device time**: time of one distillation, in GPU-seconds or CPU-thread-seconds.
- **Reported**: accuracy printed in a paper, under its recipe and often chosen on the test split; not ranked.

Incomplete rows are not ranked."""

_ONE_SEED = "1 seed: no interval across distillations; ranks hold for these sets only"


def markdown(board: Board, *, pictures: Collection[str] = (), plots: bool = False) -> str:
    """Return the board as Markdown. pictures: paths that may be linked, as from `words.picture`."""
    parts = ["# Leaderboard", _INTRODUCTION, *dd_ranking.explanation(board)]
    for before, table in zip([None, *board.tables], board.tables, strict=False):
        if before is None or before.task != table.task:
            parts.append(f"## {table.task}")
        if plots and words.drawable(table) and (before is None or words.slug(table) != words.slug(before)):
            parts.append(
                f"![Accuracy against images per class: {words.heading(table)}](plots/{words.slug(table)}.png)"
            )
        parts += _section(table, pictures)
    parts += breakdown.sections(board.breakdowns)
    return "\n\n".join([*parts, *_averages(board), *_methods(board), *_provenance(board)]) + "\n"


def _section(table: Table, pictures: Collection[str]) -> list[str]:
    notes = Notes()
    lines = [_cells(table, row, notes, pictures) for row in table.everyone]
    columns = [name for name in lines[0] if any(line[name] for line in lines)]
    text = markdown_table(
        columns, [[line[name] or "–" for name in columns] for line in lines], ("method", "pictures")
    )
    devices = _devices(table)
    once = [f"- measured on {devices[0]}"] if len(devices) == 1 else []
    once += [f"- {_ONE_SEED}"] if _one_seed(table) else []
    once += [*_code(table), *_corrected(table)]
    parts = [
        f"### {words.heading(table)}: {words.size(table.ipc)}",
        text,
        "\n".join([*notes.lines(), *once]),
        *dd_ranking.sections(table),
        _recipes(table),
        _other_networks(table),
        _settings(table),
    ]
    return [part for part in parts if part]


def _cells(table: Table, row: BoardRow, notes: Notes, pictures: Collection[str]) -> dict[str, str]:
    """Return a row's cells by column; "" for an empty cell."""
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
        "peak memory": words.memory(row.costs.peak_memory_bytes),
        "stored": noted(words.memory(row.costs.stored_bytes), notes.mark(_decoded(row))),
        "labels": row.costs.label_kind,
        "reported %": "; ".join(
            noted(entry.text(table.ipc if row.method else 0), notes.mark([entry.note_beside(table.task)]))
            for entry in row.papers.same_network
        ),
        "pictures": " ".join(f"[{seed}]({path})" for seed, path in links if path in pictures),
    }


def _devices(table: Table) -> list[str]:
    return sorted({device for row in table.everyone for device in row.costs.devices})


def _code(table: Table) -> list[str]:
    """Return a line on the code of the records, unless all come from the same."""
    parts = []
    for name, fact in zip(Code._fields, ("commit", "torch version", "protocol"), strict=True):
        of_rows = [(row, {getattr(made, name) for made in row.made_by}) for row in table.everyone]
        count = len(set().union(*(found for _, found in of_rows)))
        within = ", ".join(code(row) for row, found in of_rows if len(found) > 1)
        if count > 1:
            parts.append(counted(count, fact) + f" ({within} from more than one)" * bool(within))
    return [f"- the rows come from {' and '.join(parts)}"] if parts else []


def _corrected(table: Table) -> list[str]:
    """Return a line on native recipes that were corrected since."""
    found = dict.fromkeys(row.native for row in table.rows if row.native in CORRECTED_RECIPES)
    told = ", ".join(f"`{name}` by `{CORRECTED_RECIPES[name][0]}`" for name in found)
    return [f"- corrected after these rows were measured: {told}"] if told else []


def _one_seed(table: Table) -> bool:
    """Return whether no row has a second distillation seed, which one note below the table tells."""
    seeds = [row.accuracy.seeds for row in table.rows if row.accuracy]
    return bool(seeds) and max(seeds) == 1


def _remarks(table: Table, row: BoardRow) -> list[str]:
    """Return a row's footnotes."""
    remarks = [*row.errors, *filter(None, [words.origin(row)])]
    if row.method and row.accuracy and row.accuracy.seeds == 1 and not _one_seed(table):
        remarks.append(_ONE_SEED)
    if row.accuracy and not row.accuracy.measured:
        remarks.append("one network: no interval")
    if row.method and row.size != table.ipc:
        remarks.append(f"time and memory are those of the whole set, {words.size(row.size)}")
    several = len(_devices(table)) > 1
    return [*remarks, *(f"measured on {device}" for device in row.costs.devices if several)]


def _decoded(row: BoardRow) -> list[str]:
    decoded = row.costs.decoded
    return [f"bytes of a factorised set, which decodes to {words.size(decoded)}"] if decoded else []


def _recipes(table: Table) -> str:
    """Return the accuracies under the other recipes, unless the native column has them all."""
    rows = [row for row in table.everyone if row.standing != CLAIMED]
    others = sorted({name for row in rows for name in row.scores} - {STANDARD_RECIPE})
    shown = [row for row in rows if any(name in row.scores for name in others)]
    if len(shown) < 2 and all({*row.scores} <= {STANDARD_RECIPE, row.native} for row in shown):
        return ""
    lines = [
        [code(row), *(words.under(row, name) if name in row.scores else "–" for name in others)]
        for row in shown
    ]
    return f"Under the other recipes, accuracy %, not ranked:\n\n{markdown_table(['method', *others], lines)}"


def _other_networks(table: Table) -> str:
    """Return accuracies printed in papers for other networks, beside ours under the native recipes."""
    lines = [
        [code(row), ours, entry.text(table.ipc), entry.network, entry.note_beside(table.task)]
        for row in table.rows
        for ours in [words.accuracy(row) if row.native == STANDARD_RECIPE else words.native(row)]
        for entry in row.papers.other_networks
    ]
    if not lines:
        return ""
    left = ("method", "network", "printed in")
    text = markdown_table(["method", "native %", "printed %", "network", "printed in"], lines, left)
    return f"Accuracies printed in papers for other networks, beside ours:\n\n{text}"


def _settings(table: Table) -> str:
    """Return the hyper-parameters of every row, in a folded section."""
    lines = [f"- {code(row)}: {escaped(found)}" for row in table.rows if (found := words.settings(row))]
    if not lines:
        return ""
    return "\n".join(["<details><summary>Hyper-parameters</summary>", "", *lines, "", "</details>"])


def _averages(board: Board) -> list[str]:
    """Return the average ranks over tables, or nothing."""
    found = board.averages.complete
    if not found:
        return []
    lines = [
        [f"`{escaped(each.name)}`", f"{each.rank:.2f}", ", ".join(f"{rank:g}" for rank in each.ranks)]
        for each in found
    ]
    return [
        "## Average rank",
        f"Mean rank over the {len(found[0].ranks)} tables with two ranked rows or more, in the order above. "
        f"{len(found)} of {board.averages.rows} rows are complete in all of them; only these are ranked "
        "here. Tied rows share the mean of their ranks.",
        markdown_table(["method", "average rank", "in each table"], lines, ("method", "in each table")),
    ]


def _methods(board: Board) -> list[str]:
    """Return the title of each label's method, with a link to the paper."""
    lines = [
        f"- `{escaped(each.label)}`: {each.title}" + f", {words.paper(each.paper)}" * bool(each.paper)
        for each in board.methods
    ]
    return ["## Methods", "\n".join(lines)] if lines else []


def _provenance(board: Board) -> list[str]:
    reads = ", ".join(str(number) for number in board.test_reads) or "none"
    other = ", ".join(str(number) for number in board.distillation_reads) or "none"
    return [
        "## Provenance",
        f"- Protocol {board.protocol}; standard network `{STANDARD_NETWORK}`.\n"
        + f"- {board.migrated} records were measured under an earlier protocol and migrated.\n"
        * bool(board.migrated)
        + f"- Reads of the test split: {reads} per evaluation, {other} per distillation.\n"
        f"- Code: {', '.join(board.commits) or 'none'}.\n"
        f"- Versions: {', '.join(board.versions) or 'none'}.",
    ]
