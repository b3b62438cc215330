"""Pages of figures: one for each task and network, and one over all tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suite.board.tables import Table
from suite.figures import budget_curve, snapshots
from suite.site import paths
from suite.site.charts import bits, critical, curves, dots, pareto, sizes, wins
from suite.site.charts.drawing.marks import Chart
from suite.site.rendering import File, page
from suite.site.source import Source


@dataclass(frozen=True)
class Section:
    """The figures of one table."""

    table: Table
    charts: tuple[Chart, ...]
    matrix: wins.Matrix | None


def pages(source: Source) -> Iterator[File]:
    """Yield the pages of figures."""
    found = groups(source.board.tables)
    matrices = []
    for path, tables in found.items():
        sections = [_section(table) for table in tables]
        whole = [each for each in (sizes.chart(tables), pareto.stored(tables)) if each]
        matrices += [each.matrix for each in sections if each.matrix]
        yield page(path, "figures/place.html", tables=tables, whole=whole, sections=sections)
    yield page(
        paths.OVERALL,
        "figures/overall.html",
        tallies=wins.tallies(matrices),
        tables=len(matrices),
        critical=critical.chart(source.board.averages),
        refusal=critical.refusal(source.board.averages),
        groups=list(found.values()),
        curves=list(curves.anytime(snapshots.of_records(source.finished))),
        quantised=list(bits.charts(source.board.breakdowns)),
        budgets=list(curves.budgets(budget_curve.of_records(source.finished))),
    )


def groups(tables: Sequence[Table]) -> dict[str, list[Table]]:
    """Return the tables that differ in their size alone, by the path of their page."""
    found: dict[str, list[Table]] = {}
    for table in tables:
        found.setdefault(paths.figures(table), []).append(table)
    return found


def _section(table: Table) -> Section:
    dotted = dots.chart(table)
    return Section(table, ((dotted,) if dotted else ()) + tuple(pareto.seconds(table)), wins.matrix(table))
