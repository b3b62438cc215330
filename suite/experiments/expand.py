"""Expand the tables of a grid file into settings and evaluation cells."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import product
from typing import Any, get_args, get_origin, get_type_hints

from suite.core.seeding import derive
from suite.core.spec import LATER
from suite.plugins import registry
from suite.records.cells import Evaluation, Trial, sha256_of

NATIVE = "native"
"""The word in a grid for the recipe of the method whose set is evaluated."""

RECIPE_SETTINGS = ("recipe", "native_recipe")
"""The settings of evaluators that name a recipe."""


def evaluations(
    trial: Trial,
    label: str,
    table: Mapping[str, Any],
    *,
    network: str,
    native: str,
) -> Iterator[Evaluation]:
    """Yield the cells of an evaluator's table for a trial's finished set, one for each value of its lists.

    Where the evaluator has these fields and the table leaves them out, `network` is the grid's and
    `native_recipe` the method's. Raises ValueError for wrong settings, and for a name that is taken.
    """
    table, where = dict(table), f"evaluator.{label}"
    base = str(table.pop("base", label))
    if base != label and label in registry.names("evaluator"):
        raise ValueError(f"{where}: base {base!r}: {label!r} is another evaluator; choose another name")
    cls = registry.evaluator(base)
    given = {"network": network, "native_recipe": NATIVE}
    defaults = {key: value for key, value in given.items() if key in registry.field_names(cls)}
    for values in combinations(cls, {**defaults, **table}, where):
        recipes = {key: native for key in RECIPE_SETTINGS if values.get(key) == NATIVE}
        yield evaluation(trial, label, {**values, **recipes}, base=base)


def evaluation(trial: Trial, label: str, values: Mapping[str, Any], *, base: str = "") -> Evaluation:
    """Return the cell of an evaluator on a trial's finished set; raises ValueError for wrong settings.

    base: the evaluator, by name or path, if `label` is only its name in the grid.
    """
    name = base or label
    evaluator = registry.configure(registry.evaluator(name), values, where=f"evaluator.{label}")
    return Evaluation(
        trial=trial.id,
        evaluator=label,
        base="" if name == label else name,
        source=_source(name, values),
        settings=plain(evaluator),
        # All methods have the same seed, so the same fresh networks are retrained on each set.
        seed=derive(trial.seed, "evaluation") >> 16,
    )


def _source(evaluator: str, values: Mapping[str, Any]) -> str:
    """Return a sha256 of the files of an evaluator and of its recipes; "" if all are part of RaT-Bench."""
    recipes = (registry.recipe_source(str(values.get(key))) for key in RECIPE_SETTINGS)
    own = [registry.source(evaluator, "evaluator"), *recipes]
    found = sorted(set(filter(None, own)))
    return sha256_of(found) if len(found) > 1 else "".join(found)


def combinations(cls: type, values: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield one table for each combination of the values given as lists for fields that hold one.

    Raises ValueError for an empty list, and for one that repeats a value.
    """
    hints = get_type_hints(cls)
    lists = {
        key: value
        for key, value in values.items()
        if isinstance(value, list) and not _holds_list(hints.get(key))
    }
    if empty := [key for key, value in lists.items() if not value]:
        raise ValueError(f"{where}: {empty[0]} = []: give at least one value")
    for key, each in lists.items():
        if repeated := [value for number, value in enumerate(each) if value in each[:number]]:
            raise ValueError(f"{where}: {key} {each}: duplicate value {repeated[0]!r}")
    for combination in product(*lists.values()):
        yield {**values, **dict(zip(lists, combination, strict=True))}


def plain(settings: Any) -> dict[str, Any]:
    """Return a dataclass of settings as plain values, as after a round trip through JSON.

    Fields of `later` are left out at the value that earlier releases had; `registry.stored` fills them in.
    """
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    left_out = {
        each.name
        for each in fields(settings)
        if LATER in each.metadata and getattr(settings, each.name) == each.metadata[LATER]
    }
    return {name: value for name, value in values.items() if name not in left_out}


def _holds_list(hint: Any) -> bool:
    """Return whether a list can be one value of a field, whose type is or includes a tuple."""
    return any(get_origin(each) is tuple for each in (hint, *get_args(hint)))
