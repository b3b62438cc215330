"""The study of meta-gradients: records of `gradient_study` as a table and a plot."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.board import files
from suite.board.render import style, words
from suite.board.rows import named
from suite.records.cells import Study, differing_keys
from suite.records.record import Record, is_of

STUDY = "gradient_study"

NARROWED = ()
"""The columns by which rows may be chosen: none."""

_PANELS = {
    "norm": "norm of the meta-gradient",
    "spread": "standard deviation / mean of the norm",
    "cosine_to_full": "cosine to full BPTT, same network",
    "step_seconds": "seconds of an outer step",
}
_PLACE = ["task", "ipc", "network"]
_LOGARITHMIC = ("norm", "step_seconds")
_NAMES = {"bptt": "BPTT", "r_bptt": "R-BPTT", "t_bptt": "T-BPTT", "rat_bptt": "RaT-BPTT"}


def measured(stores: Sequence[Path]) -> pd.DataFrame:
    """Return a row for each fresh network: schedule, unroll, norm, cosine_to_full, step_seconds; its place.

    Raises ValueError if the stores hold no study.
    """
    records = [record for record in files.finished(stores) if is_of(record, Study)]
    records = [record for record in records if record.cell.study == STUDY]
    if not records:
        raise ValueError(f"no records of {STUDY} in {', '.join(map(str, stores))}; run gradient-study first")
    found = [_networks(*pair) for pair in zip(records, _schedules(records), strict=True)]
    return pd.concat(found, ignore_index=True).sort_values(["schedule", "unroll"], kind="stable")


def summary(networks: pd.DataFrame) -> pd.DataFrame:
    """Return per (schedule, unroll) the median of each measure, the norm's deviation over its mean, and n."""
    grouped = networks.groupby(["schedule", "unroll"], sort=False)
    table = grouped[["norm", "cosine_to_full", "step_seconds"]].median()
    table["spread"] = grouped["norm"].std() / grouped["norm"].mean()
    table["networks"] = grouped.size()
    return table.reset_index()[["schedule", "unroll", *_PANELS, "networks"]]


def plot(networks: pd.DataFrame) -> bytes:
    """Plot the measures against the unroll, as a PNG: medians, and bars that hold 80% of the networks."""

    def fill(figure: Figure) -> None:
        panels = figure.subplots(2, 2, sharex=True).flat
        for axes, (measure, name) in zip(panels, _PANELS.items(), strict=True):
            _panel(axes, networks, measure)
            axes.set_ylabel(name)
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
        for axes in panels[2:]:
            axes.set_xlabel("unroll, inner steps")

    place = "; ".join(", ".join(sorted(set(networks[fact].astype(str)))) for fact in _PLACE)
    each = networks.groupby(["schedule", "unroll"]).size()
    count = "–".join(dict.fromkeys(str(number) for number in (each.min(), each.max())))
    return style.png(
        fill,
        width=8,
        height=6,
        title="Meta-gradients against the length of the unroll",
        subtitle=f"{place}; nothing is retrained; n = {count} fresh networks a point; points: medians, "
        "of the spread the value over all; bars: 10% to 90% of the networks",
    )


def _schedules(records: Sequence[Record[Study]]) -> list[str]:
    """Return each record's schedule: its label, and what else differs within it, such as the task."""
    facts = [{"task": each.task, "ipc": each.ipc, **each.cell.settings, "unroll": None} for each in records]
    rows = defaultdict[str, list[dict[str, Any]]](list)
    for record, own in zip(records, facts, strict=True):
        rows[record.label].append(own)
    telling = {label: sorted(differing_keys(same)) for label, same in rows.items()}
    return [
        named(each.label, *(f"{name}={own.get(name)}" for name in telling[each.label]))
        for each, own in zip(records, facts, strict=True)
    ]


def _networks(record: Record[Study], schedule: str) -> pd.DataFrame:
    columns = {name: record.curve[name] for name in ("norm", "cosine_to_full", "step_seconds")}
    unroll = record.cell.settings["unroll"]
    # The first outer step compiles.
    place = (record.task, words.size(record.ipc), str(record.cell.settings.get("network", "")))
    facts = dict(zip(_PLACE, place, strict=True))
    return pd.DataFrame(columns).assign(schedule=schedule, unroll=unroll, **facts).iloc[1:]


def _panel(axes: Axes, networks: pd.DataFrame, measure: str) -> None:
    means = summary(networks)
    for place, (schedule, rows) in enumerate(means.groupby("schedule", sort=False)):
        colour, marker = style.look(place)
        name = style.plain(_NAMES.get(str(schedule), str(schedule)))
        at = rows["unroll"] * (1 + 0.03 * (place - 1.5))  # so that bars do not overlap
        axes.plot(at, rows[measure], color=colour, marker=marker, markersize=5, label=name)
        if measure in networks:
            group = networks[networks["schedule"] == schedule].groupby("unroll")[measure]
            axes.vlines(at, group.quantile(0.1), group.quantile(0.9), color=colour, linewidth=1)
    style.ticks(axes, means["unroll"].unique(), base=2)
    if measure in _LOGARITHMIC:
        axes.set_yscale("log")
