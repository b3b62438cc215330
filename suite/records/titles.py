"""Short titles of trials, references and studies: what they have in common is left out."""

from collections.abc import Iterable, Mapping
from typing import Any

from suite.records.cells import Reference, Study, Trial, differing_keys

Named = tuple[str, Trial | Reference | Study]
"""A row's name on the board, and a cell of it."""


def titles(cells: Iterable[Named]) -> dict[str, str]:
    """Return a title for each cell, by its id: `ipc 10 rat_bptt window=40 seed 1`.

    Task, images per class and seed are named if cells differ in them, hyper-parameters if those of a row do.
    """
    named = list(cells)
    rows = dict[tuple[str, str, int], list[Mapping[str, Any]]]()
    for label, cell in named:
        rows.setdefault(_row(label, cell), []).append(_settings(cell))
    telling = {row: sorted(differing_keys(same)) for row, same in rows.items()}
    tasks = {cell.task for _, cell in named}
    sizes = {cell.ipc for _, cell in named if not isinstance(cell, Reference)}
    seeds = {cell.seed for _, cell in named}
    found = {}
    for label, cell in named:
        settings = _settings(cell)
        words = [cell.task] * (len(tasks) > 1)
        words += [f"ipc {_size(cell)}"] * (len(sizes) > 1 and _size(cell) > 0)
        words += [label.replace("_", " ") if isinstance(cell, Reference) else label]
        words += [f"{key}={settings[key]}" for key in telling[_row(label, cell)] if key in settings]
        words += [f"seed {cell.seed}"] * (len(seeds) > 1)
        found[cell.id] = " ".join(words)
    return found


def _row(label: str, cell: Trial | Reference | Study) -> tuple[str, str, int]:
    return label, cell.task, _size(cell)


def _size(cell: Trial | Reference | Study) -> int:
    return 0 if isinstance(cell, Reference) else cell.ipc


def _settings(cell: Trial | Reference | Study) -> Mapping[str, Any]:
    if isinstance(cell, Trial):
        return cell.fields
    return cell.settings if isinstance(cell, Study) else {}
