"""What a table of a grid asks for: its combinations, and the cells of evaluations."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import product
from typing import Any, get_args, get_origin, get_type_hints

from suite.core.seeding import derive
from suite.plugins import registry
from suite.records.cells import Evaluation, Part, Trial

NATIVE = "native"
"""Stands in a grid for the recipe of the method whose set is evaluated."""


def settings(name: str, table: Mapping[str, Any], *, network: str, native: str) -> Iterator[dict[str, Any]]:
    """Yield the settings with which a grid's table asks the evaluator `name` to score one method's sets.

    Where the evaluator has these fields, `network` is the grid's and `native_recipe` the method's recipe,
    unless the table says otherwise.
    """
    cls = registry.evaluator(name)
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    defaults = {
        key: value for key, value in (("network", network), ("native_recipe", NATIVE)) if key in known
    }
    for values in combinations(cls, {**defaults, **table}, f"evaluator.{name}"):
        recipes = {key: native for key in ("recipe", "native_recipe") if values.get(key) == NATIVE}
        yield {**values, **recipes}


def evaluate(
    trial: Trial, name: str, values: Mapping[str, Any], step: int | None = None, part: Part | None = None
) -> Evaluation:
    """Return the cell in which the evaluator `name` scores a trial's set, or a part; raises ValueError."""
    instance = registry.configure(registry.evaluator(name), values, where=f"evaluator.{name}")
    return Evaluation(
        trial=trial.id,
        evaluator=name,
        settings=json.loads(json.dumps(asdict(instance))),
        # The same seed for every method: the same fresh networks retrain on each set.
        seed=derive(trial.seed, "evaluation") >> 16,
        step=step,
        part=part,
    )


def combinations(cls: type, values: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield one table for each combination of the values given as lists for fields that hold one."""
    hints = get_type_hints(cls)
    lists = {
        key: value
        for key, value in values.items()
        if isinstance(value, list) and not _holds_list(hints.get(key))
    }
    if empty := [key for key, value in lists.items() if not value]:
        raise ValueError(f"{where}: {empty[0]} = []: give one value or more")
    for key, each in lists.items():
        if repeated := [value for number, value in enumerate(each) if value in each[:number]]:
            raise ValueError(f"{where}: {key} {each} names {repeated[0]!r} twice")
    for combination in product(*lists.values()):
        yield {**values, **dict(zip(lists, combination, strict=True))}


def _holds_list(hint: Any) -> bool:
    """Return whether a list may be one value of a field: a tuple, alone or among others."""
    return any(get_origin(each) is tuple for each in (hint, *get_args(hint)))
