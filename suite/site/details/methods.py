"""A page for each label of a row: the method, its paper, its rows, its curves and its sets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from suite.board.atlas.markdown import status
from suite.board.atlas.rows import AtlasRow
from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.tables import Table
from suite.figures import snapshots
from suite.site import paths
from suite.site.charts import curves, sizes
from suite.site.details.artefacts import Card
from suite.site.details.figures import groups
from suite.site.details.papers import Facts
from suite.site.rendering import File, page
from suite.site.source import Source


@dataclass(frozen=True)
class Compared:
    """A printed figure beside ours, in words."""

    task: str
    size: str
    network: str
    recipe: str
    printed: str
    source: str
    ours: str
    status: str


def pages(source: Source, cards: Sequence[Card]) -> Iterator[File]:
    """Yield a page for each label. cards: of all sets."""
    titles = {each.label: each for each in source.board.methods}
    rows: dict[str, list[tuple[Table, BoardRow]]] = {}
    for table in source.board.tables:
        for row in table.rows:
            rows.setdefault(row.label, []).append((table, row))
    copies = snapshots.of_records(source.finished)
    for label, own in sorted(rows.items()):
        methods = sorted({row.method for _, row in own})
        lines = {row.line for _, row in own}
        charts = (sizes.chart(tables, lines) for tables in groups(source.board.tables).values())
        yield page(
            paths.method(label),
            "sets/method.html",
            label=label,
            title=titles.get(label),
            methods=methods,
            rows=own,
            settings=_settings(own),
            facts={name: source.aids.facts.get(name, Facts()) for name in methods},
            compared=[_compared(each) for each in source.aids.atlas if each.printed.entry.method in methods],
            charts=[*(each for each in charts if each), *curves.anytime(_of(copies, label))],
            cards=[each for each in cards if each.label == label],
        )


def _of(copies: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the snapshots of a label; the names of its lines may tell settings behind it."""
    names = [name for name in copies["method"].unique() if name == label or name.startswith(f"{label} (")]
    return copies[copies["method"].isin(names)]


def _settings(rows: Sequence[tuple[Table, BoardRow]]) -> Mapping[str, str]:
    """Return the settings that ran, by the rows that have them."""
    found: dict[str, list[str]] = {}
    for table, row in rows:
        text = words.settings(row) or "none"
        where = f"{row.name} on {table.task}, {words.size(row.size)}"
        if where not in found.setdefault(text, []):
            found[text].append(where)
    return {"; ".join(where): text for text, where in found.items()}


def _compared(row: AtlasRow) -> Compared:
    entry, size = row.printed.entry, row.printed.ipc
    return Compared(
        task=entry.variant,
        size=str(size or "all"),
        network=entry.network,
        recipe=entry.our_recipe or entry.recipe,
        printed=entry.text(size),
        source=entry.source + "; quoted from another paper" * entry.second_hand,
        ours=f"{words.percent(row.accuracy)} ({words.sample_size(row.accuracy)})" if row.accuracy else "",
        status=status(row),
    )
