"""Accuracy during distillation: evaluated snapshots as a table and a plot, over outer steps and seconds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.board import files
from suite.board.columns.costs import device_class
from suite.board.render import style, words
from suite.board.rows import named
from suite.board.statistics.intervals import interval
from suite.records.cells import RETRAIN, Evaluation, Trial, canonical_json, differing_keys
from suite.records.record import Record, is_of

Key = tuple[str, str]
"""A trial's id, and its task's name, which tells its data."""

NARROWED = ("task", "ipc", "method")
"""The columns by which rows may be chosen."""

_LINE = ["task", "ipc", "method", "recipe", "network"]
_TOGETHER = 6  # lines in colour in a panel
_AXES = {"step": "outer steps", "seconds": "seconds of distillation"}


def measured(stores: Sequence[Path]) -> pd.DataFrame:
    """Return a row for each retrained network: its line, seed, moment, step, seconds and accuracy.

    Only for trials with snapshots. step: outer steps taken; seconds: their duration, or else the budget that
    was spent; moment: the step or the budget, by which the seeds of a line belong together. Raises ValueError
    if the stores hold no evaluated snapshot.
    """
    found = of_records(files.finished(stores))
    if found.empty:
        raise ValueError(
            f"no evaluated snapshots in {', '.join(map(str, stores))}; "
            "run a grid with `snapshots = [0, 0.1, 0.3]`, or with budgets, first"
        )
    return found


def of_records(records: Sequence[Record]) -> pd.DataFrame:
    """Return what `measured` does, of valid finished records; empty without an evaluated snapshot."""
    scored = retrained(records)
    trials = {
        (record.cell.id, record.task): record for record in records if is_of(record, Trial) and record.curve
    }
    lines = names(list(trials.values()))
    rows = [row for record in scored for row in _copies(record, trials, lines)]
    table = pd.DataFrame(rows, columns=[*_LINE, "seed", "moment", "step", "seconds", "accuracy"])
    snapshots = table.groupby([*_LINE, "seed"])["moment"].transform("nunique") > 1
    return table[snapshots].sort_values([*_LINE, "moment", "seed"], kind="stable", ignore_index=True)


def summary(copies: pd.DataFrame) -> pd.DataFrame:
    """Return per line and step the mean accuracy in %, its 95% interval, seconds, seeds and networks."""
    return pd.DataFrame(list(_points(copies)))


def plot(copies: pd.DataFrame) -> bytes:
    """Plot accuracy against outer steps and against seconds, with 95% intervals, as a PNG.

    A row of panels has few lines in colour, so that they can be told apart; the others are grey.
    """
    found = summary(copies)
    lines = list(found.groupby(_LINE, sort=False))
    rows = -(-len(lines) // _TOGETHER)

    def fill(figure: Figure) -> None:
        panels = figure.subplots(rows, 2, sharex="col", sharey=True, squeeze=False)
        for number, pair in enumerate(panels):
            for axes, column in zip(pair, _AXES, strict=True):
                for place, (key, points) in enumerate(lines):
                    shown = place // _TOGETHER == number
                    _line(axes, points, column, place % _TOGETHER if shown else None, _name(key, copies))
            pair[0].set_ylabel("accuracy, %")
            style.legend(pair[1])
        for axes, name in zip(panels[-1], _AXES.values(), strict=True):
            axes.set_xlabel(name)
        if copies["seconds"].equals(copies["moment"]):  # budgets, which grow by factors
            panels[-1][1].set_xscale("log")
            panels[-1][1].xaxis.set_major_formatter("{x:g}")

    common = {column: found[column].iloc[0] for column in _LINE if found[column].nunique() == 1}
    size = [words.size(int(common["ipc"]))] if "ipc" in common else []
    place = ", ".join([*map(str, filter(None, [common.get("task")])), *size])
    counts = {
        f"{seeds} × {number // seeds}"
        for seeds, number in zip(found["seeds"], found["networks"], strict=True)
    }
    facts = [common.get("network"), f"recipe {common.get('recipe', 'beside the name')}"]
    facts += [f"n = {', '.join(sorted(counts))} (sets × networks)", "points: means", "bars: 95% intervals"]
    return style.png(
        fill,
        width=10,
        height=max(4.5, 2.6 * rows),
        title=f"{place or 'Several tasks'}: accuracy during distillation",
        subtitle="; ".join(str(fact) for fact in facts if fact),
    )


def names(trials: Sequence[Record[Trial]]) -> dict[Key, str]:
    """Return each trial's line: its label, and what differs within the label: hyper-parameters, budgets, and
    the devices that these were spent on.
    """
    rows: dict[tuple[str, int, str], dict[str, dict[str, Any]]] = {}
    for record in trials:
        on = {"device": device_class([record])} if record.cell.device_seconds else {}
        same = rows.setdefault((record.task, record.ipc, record.label), {})
        same[record.cell.id] = {**record.cell.fields, **on}
    found = {}
    for (task, _, label), cells in rows.items():
        telling = sorted(differing_keys(list(cells.values())))
        for cell, fields in cells.items():
            shown = ", ".join(f"{name}={fields.get(name)}" for name in telling)
            found[cell, task] = named(label, shown)
    return found


def retrained(records: Sequence[Record]) -> list[Record[Evaluation]]:
    """Return the evaluations by `retrain`, one of each set or part with equal settings: with most copies."""
    found: dict[tuple[object, ...], Record[Evaluation]] = {}
    order = sorted(records, key=lambda record: (len(record.scores.get("accuracy", ())), record.cell.id))
    for record in order:
        if is_of(record, Evaluation) and record.cell.evaluator == RETRAIN:
            cell = record.cell
            how = canonical_json({**cell.settings, "copies": 0, "source": cell.source})
            found[record.task, cell.trial, cell.step, cell.device_seconds, cell.part, how] = record
    return sorted(found.values(), key=lambda record: (record.cell.id, record.task))


def _copies(
    record: Record[Evaluation], trials: dict[Key, Record[Trial]], lines: dict[Key, str]
) -> Iterator[tuple[Any, ...]]:
    cell = record.cell
    if cell.part is not None or (trial := trials.get(key := (cell.trial, record.task))) is None:
        return
    if cell.step is not None and trial.cell.device_seconds:
        return  # of an earlier release: after some steps, and the others of this line after some seconds
    at, seconds = trial.curve["step"], trial.curve["seconds"]
    last = trial.step_of(cell)
    step = at[-1] if last is None else last
    budget = cell.device_seconds or trial.cell.device_seconds
    spent = budget or float(np.interp(step, [0, *at], [0, *seconds]))
    how = cell.settings.get("recipe", ""), cell.settings.get("network", "")
    line = (record.task, record.ipc, lines[key], *how)
    for accuracy in record.scores["accuracy"]:
        yield (*line, trial.cell.seed, budget or step, int(step), spent, accuracy)


def _points(copies: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for key, rows in copies.groupby([*_LINE, "moment"], sort=False):
        groups = [(100 * group).tolist() for _, group in rows.groupby("seed")["accuracy"]]
        found = interval(groups)
        yield {
            **dict(zip(_LINE, key, strict=False)),
            "step": round(rows["step"].mean()),
            "seconds": rows["seconds"].mean(),
            "accuracy": found.mean,
            "low": found.low,
            "high": found.high,
            "seeds": found.seeds,
            "networks": sum(found.copies),
        }


def _name(key: tuple[Any, ...], copies: pd.DataFrame) -> str:
    """Return the text that distinguishes a line from the others."""
    return ", ".join(
        f"ipc {value}" if column == "ipc" else str(value)
        for column, value in zip(_LINE, key, strict=True)
        if column == "method" or copies[column].nunique() > 1
    )


def _line(axes: Axes, points: pd.DataFrame, column: str, place: int | None, name: str) -> None:
    """Plot a line in the look of its place, or in grey without bars and name."""
    if place is None:
        axes.plot(points[column], points["accuracy"], color="0.85", linewidth=1, zorder=0)
        return
    spread = [points["accuracy"] - points["low"], points["high"] - points["accuracy"]]
    colour, marker = style.look(place)
    axes.errorbar(
        points[column],
        points["accuracy"],
        yerr=[values.clip(lower=0) for values in spread],
        label=style.plain(name),
        color=colour,
        marker=marker,
        markersize=5,
        linewidth=1.5,
        elinewidth=0.6,
    )
