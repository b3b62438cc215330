"""A board as Markdown: a ranked table and its plot per task, network and size; everything else is folded."""

from pathlib import Path

from suite.board.render import breakdown, dd_ranking, words
from suite.board.render.layout import code, escaped, folded, link, listed, markdown_table
from suite.board.render.table import anytime, sizes
from suite.board.render.table.details import details
from suite.board.render.table.ranking import ranking
from suite.board.tables import Board
from suite.core.names import STANDARD_NETWORK
from suite.records.cells import STANDARD_RECIPE

_INTRODUCTION = """Test accuracy of networks trained from scratch on each synthetic set. Click ▸ to open a
section; [those at the end](#more) explain the columns and the origin of the numbers. `ratbench site` makes
pages on which you can sort and filter the same records; `ratbench leaderboard --format csv` lists them."""

_COLUMNS = f"""- **Accuracy**: mean test accuracy in percent under the standard recipe `{STANDARD_RECIPE}`,
  with its 95% interval over sets (one for each distillation seed) and networks (trained on each set). It
  decides the rank. **n**: sets × networks.
- **Behind**: points behind the best row of the same rank; for that row, behind the best row of the rank
  above. Rows share a rank if the 95% interval of this difference, paired by seed and by network, contains
  zero. In simulations, equal methods get different ranks in 14% (two seeds) or 8% (three seeds) of cases.
- **Tuned**: tries that chose the settings on the holdout, and their device time.
- **Device time**: GPU time, or CPU time × threads, of one distillation.
- **Stored**: bytes of the set's images, and of its labels if they are soft. **Bits per class**: these bytes
  in bits, divided by the number of classes.
- **Pictures**: of the sets, by distillation seed.
- **Native**: accuracy under the recipe of the method's paper; "same" if that is the standard recipe. **Of
  full-data accuracy**: accuracy divided by that of the same network trained on the full training split.
- **Printed**: accuracy in a paper, under its recipe and often of the checkpoint that is best on the test
  split; not ranked."""


def markdown(board: Board, folder: Path | None = None) -> str:
    """Return the board as Markdown.

    folder: where it is to stand, beside its plots, and with links to the pictures and sets that are there.
    """
    papers = {each.label: words.address(each.paper) for each in board.methods}
    parts = ["# Leaderboard", _INTRODUCTION, *(f"> {escaped(line)}" for line in board.mixed)]
    for before, table in zip([None, *board.tables], board.tables, strict=False):
        if before is None or before.task != table.task:
            parts.append(f"## {escaped(table.task)}")
        place = ", ".join(filter(None, (words.network(table.network), table.conditions)))
        parts.append(f"### {words.size(table.ipc)}, {escaped(place)}")
        parts += ranking(table, papers, folder)
        if folder and table.ranked:
            parts.append(f"![Accuracy of each method, with its interval](plots/{words.slug(table)}.png)")
        parts += details(table, folder)
    parts += [*anytime.sections(board, papers), *sizes.sections(board, papers)]
    parts += ["## More", *_averages(board), *breakdown.sections(board.breakdowns), *_methods(board)]
    parts += folded("What the columns and scores mean", [_COLUMNS, *dd_ranking.explanation(board)])
    return "\n\n".join(part for part in [*parts, *_provenance(board)] if part) + "\n"


def _averages(board: Board) -> list[str]:
    """Return the average ranks over tables, or nothing."""
    found = board.averages.complete
    if not found:
        return []
    lines = [
        [code(each.name), f"{each.rank:.2f}", ", ".join(f"{rank:g}" for rank in each.ranks)] for each in found
    ]
    tables = len(found[0].ranks)
    told = (
        f"Over the {tables} tables with at least two ranked rows, in the order above. Only the {len(found)} "
        f"of {board.averages.rows} rows that are complete in all of them are ranked here. Tied rows share "
        "the average of their ranks."
    )
    table = markdown_table(["method", "average rank", "rank in each table"], lines)
    return folded(f"Average rank over {tables} tables", [told, table])


def _methods(board: Board) -> list[str]:
    """Return the title of each label's method, with a link to the paper."""
    lines = []
    for each in board.methods:
        paper = link(escaped(each.paper), words.address(each.paper)) if each.paper else ""
        lines.append(f"- {code(each.label)}: {', '.join(filter(None, [escaped(each.title), paper]))}")
    return folded("Methods: titles and papers", ["\n".join(lines)])


def _provenance(board: Board) -> list[str]:
    reads = ", ".join(str(number) for number in board.test_reads) or "none"
    other = ", ".join(str(number) for number in board.distillation_reads) or "none"
    lines = [
        f"- Protocol {board.protocol}; standard network `{STANDARD_NETWORK}`.",
        f"- {board.migrated} records were measured under an earlier protocol and converted."
        if board.migrated
        else "",
        f"- Reads of the test split: {reads} per evaluation, {other} per distillation.",
        f"- Commits: {listed(board.commits) or 'none'}.",
        f"- Versions: {', '.join(map(escaped, board.versions)) or 'none'}.",
    ]
    return folded(
        "Provenance: protocol, reads of the test split, commits, versions", ["\n".join(filter(None, lines))]
    )
