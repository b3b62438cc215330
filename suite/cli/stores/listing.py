"""The sets of stores with their addresses, as a table, CSV or JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import pandas
from rich.box import SIMPLE_HEAD
from rich.table import Table

from suite.board.render import words
from suite.board.render.frame import as_csv
from suite.records.cells import RETRAIN, STANDARD_RECIPE, Evaluation
from suite.records.record import is_of
from suite.records.remote import reading as remote
from suite.records.store import Store
from suite.records.stores import layout, reading
from suite.records.stores.addresses import SetInStore, sets_of, told_apart
from suite.records.stores.sets_on_disk import ENDING, parts_of

Format = Literal["table", "csv", "json"]

_Key = tuple[str, str, int | None]  # a set's trial, its data, and its step


@dataclass(frozen=True)
class Listed:
    """A set of a store with its accuracy in [0, 1]: under the standard recipe, or else its own, or the first.

    accuracy: None if it was not retrained on.
    """

    store: Path
    made: SetInStore
    accuracy: float | None = None
    recipe: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """What CSV and JSON have of it."""
        made = self.made
        return {
            "address": f"{self.store}:{made.address}",
            "task": made.task,
            "row": made.label,
            "method": made.method,
            "ipc": made.ipc,
            "seed": made.seed,
            "step": made.step,
            "stored_bytes": made.stored_bytes,
            "teacher_bytes": made.teacher_bytes,
            "accuracy": self.accuracy,
            "recipe": self.recipe,
            "sha256": made.sha256,
            "data": made.data,
            "path": str(made.path),
        }


def listed(stores: Sequence[Path]) -> list[Listed]:
    """Return the sets whose files are in the stores; each record is read once. Raises ValueError."""
    paths = dict[Path, Path]()
    for path in remote.all_here(stores):
        paths.setdefault(path.resolve(), path)
    found = [reading.opened(path) for path in paths.values()]
    return [each for store in found for each in _of(store)]


def table(found: Sequence[Listed]) -> Table:
    """Return the sets as a table for 80 columns; task, size and seed are in the address."""
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("address", overflow="fold")
    for name in ("method", "size", "accuracy %", "sha256"):
        made.add_column(name, justify="right" if name in ("size", "accuracy %") else "left", no_wrap=True)
    for each in found:
        recipe = "" if each.recipe in ("", STANDARD_RECIPE) else f" ({each.recipe})"
        accuracy = "" if each.accuracy is None else f"{100 * each.accuracy:.1f}{recipe}"
        size = words.stored(each.made.stored_bytes, each.made.teacher_bytes)
        digest = each.made.sha256[:12]
        made.add_row(each.fields["address"], each.made.method, size, accuracy, digest)
    return made


def text(found: Sequence[Listed], format: Format) -> str:
    """Return the sets as CSV or JSON."""
    fields = [each.fields for each in found]
    if format == "json":
        return json.dumps(fields, indent=1) + "\n"
    return as_csv(pandas.DataFrame(fields, dtype=object)) if fields else ""


def _of(store: Store) -> Iterator[Listed]:
    steps: dict[str, list[int]] = {}
    for path in layout.listed(store.path / "artefacts", ENDING):
        trial, step = parts_of(path.name)
        if step is not None:
            steps.setdefault(trial, []).append(step)
    sets, scores = list[SetInStore](), dict[_Key, dict[str, float]]()
    for record in reading.records(store):
        sets += sets_of(store, record, steps.get(record.cell.id, ()))
        accuracy = record.scores.get("accuracy")
        if (
            is_of(record, Evaluation)
            and accuracy
            and (cell := record.cell).evaluator == RETRAIN
            and not cell.part
        ):
            same = scores.setdefault((cell.trial, record.data, cell.step), {})
            same[cell.recipe] = fmean(accuracy)
    for made in told_apart(sets):
        found = scores.get((made.trial, made.data, made.step), {})
        names = (STANDARD_RECIPE, made.recipe, *sorted(found))
        recipe = next((name for name in names if name in found), "")
        yield Listed(store.path, made, found.get(recipe), recipe)
