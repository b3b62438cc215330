"""The loss of distillations over outer steps, as a table and a plot with a panel for each method."""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.board import files
from suite.board.render import style
from suite.core.names import counted
from suite.figures import snapshots
from suite.records.cells import Trial
from suite.records.record import Record, is_of, loss

NARROWED = ("task", "ipc", "method")
"""The columns by which rows may be chosen."""

_PANEL = ["task", "network", "method"]
_COLUMNS = 3  # of panels


def measured(stores: Sequence[Path]) -> pd.DataFrame:
    """Return a row for each recorded outer step of each trial: its panel, ipc, seed, step and loss.

    diverged: whether the trial ended so. Raises ValueError if no trial has a loss.
    """
    records = files.finished(stores, diverged=True)
    trials = [record for record in records if is_of(record, Trial) and loss(record.curve) is not None]
    named = snapshots.names(trials)
    rows = [row for record in trials for row in _steps(record, named[record.cell.id, record.task])]
    if not rows:
        raise ValueError(
            f"no trial in {', '.join(map(str, stores))} has a loss; run a method that takes outer steps"
        )
    table = pd.DataFrame(rows)
    return table.sort_values([*_PANEL, "ipc", "seed", "step"], kind="stable", ignore_index=True)


def summary(steps: pd.DataFrame) -> pd.DataFrame:
    """Return per method and size the seeds, how many diverged, outer steps, mean first and last loss."""
    return pd.DataFrame(
        {
            **dict(zip([*_PANEL, "ipc"], key, strict=True)),
            "seeds": rows["seed"].nunique(),
            "diverged": rows.loc[rows["diverged"], "seed"].nunique(),
            "steps": rows["step"].max(),
            "first loss": rows.groupby("seed")["loss"].first().mean(),
            "last loss": rows.groupby("seed")["loss"].last().mean(),
        }
        for key, rows in steps.groupby([*_PANEL, "ipc"], sort=False)
    )


def plot(steps: pd.DataFrame) -> bytes:
    """Plot the loss against outer steps as a PNG: a panel per method, a line per trial, a colour per size.

    Losses of two methods are different quantities, so each panel has its own axis.
    """
    panels = list(steps.groupby(_PANEL, sort=False))
    sizes = {ipc: place for place, ipc in enumerate(sorted(steps["ipc"].unique()))}
    columns = min(_COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)

    def fill(figure: Figure) -> None:
        every = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (key, own) in zip(every, panels, strict=False):
            _panel(axes, own, sizes)
            axes.set_title(_told(key, steps), fontsize=9)
            axes.set_xlabel("outer steps")
        for axes in every[len(panels) :]:
            axes.remove()
        handles = {text: handle for axes in figure.axes for handle, text in zip(*_legend(axes), strict=True)}
        figure.supylabel("loss of the outer step", fontsize=9)
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False)

    place, network = ([*_values(steps, column), ""][0] for column in ("task", "network"))
    place = place if len(_values(steps, "task")) == 1 else "Several tasks"
    network = network if len(_values(steps, "network")) == 1 else ""
    return style.png(
        fill,
        width=max(6.0, 3.4 * columns + 0.6),
        height=2.6 * rows + 0.8,
        title=f"{place}, {_sizes(steps)}: loss during distillation",
        subtitle="; ".join(filter(None, [network, "a line for each distillation"])),
    )


def _steps(record: Record[Trial], method: str) -> Iterator[dict[str, Any]]:
    network = str(record.cell.hyperparameters.get("network", ""))
    for step, value in zip(record.curve["step"], loss(record.curve) or (), strict=False):
        yield {
            "task": record.task,
            "network": network,
            "method": method,
            "ipc": record.ipc,
            "seed": record.cell.seed,
            "step": int(step),
            "loss": value,
            "diverged": record.status == "diverged",
        }


def _panel(axes: Axes, steps: pd.DataFrame, sizes: dict[int, int]) -> None:
    for (ipc, _), own in steps.groupby(["ipc", "seed"], sort=False):
        colour, _ = style.look(sizes[int(str(ipc))])
        name = f"{counted(int(str(ipc)), 'image')} per class"
        axes.plot(own["step"], own["loss"], color=colour, linewidth=1, alpha=0.8, label=name)
        if own["diverged"].any():
            last = own.iloc[-1]
            axes.plot(last["step"], last["loss"], color=colour, marker="x", linestyle="", label="diverged")
    if (steps["loss"] > 0).all():
        axes.set_yscale("log")


def _legend(axes: Axes) -> tuple[list[Any], list[Any]]:
    return axes.get_legend_handles_labels()


def _told(key: tuple[Any, ...], steps: pd.DataFrame) -> str:
    """Return what tells a panel from the others: its method, and what else they differ in."""
    differing = {column for column in _PANEL if column == "method" or len(_values(steps, column)) > 1}
    told = (str(value) for column, value in zip(_PANEL, key, strict=True) if column in differing)
    return style.plain(", ".join(filter(None, told)))


def _sizes(steps: pd.DataFrame) -> str:
    """Return the sizes in words: `1 and 10 images per class`."""
    sizes = sorted(int(ipc) for ipc in steps["ipc"].unique())
    before = ", ".join(map(str, sizes[:-1])) + " and " * (len(sizes) > 1)
    return f"{before}{counted(sizes[-1], 'image')} per class"


def _values(steps: pd.DataFrame, column: str) -> list[str]:
    """Return the values of a column; a method may have no network."""
    return sorted(filter(None, steps[column].unique()))
