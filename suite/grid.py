"""A grid file in TOML becomes a list of jobs; unknown keys are refused before anything runs."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from suite import registry
from suite.core import datasets
from suite.core.networks import STANDARD
from suite.core.recipes import recipe
from suite.core.seeding import derive
from suite.core.spec import Budget
from suite.plan import Job, Plan, Planned
from suite.records import STANDARD_RECIPE, Evaluation, Reference, Trial

FOLDER = Path(__file__).parent / "grids"
NATIVE = "native"
FULL_DATA = "full_data"


class FullData(BaseModel):
    """The reference of a grid: networks trained on all of train."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epochs: PositiveInt
    copies: PositiveInt = 1
    recipe: str = STANDARD_RECIPE


class Grid(BaseModel):
    """What a grid file may say. `network` goes to every method and evaluator that has the field."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str
    tasks: list[str] = Field(min_length=1)
    ipc: list[PositiveInt] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    network: str = STANDARD
    method: dict[str, dict[str, Any]] = Field(min_length=1)
    evaluator: dict[str, dict[str, Any]] = Field(min_length=1)
    reference: FullData | None = None


def names() -> list[str]:
    """Return the names of the grids that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def locate(name: str) -> Path:
    """Return the file of a grid given by name or path; raises ValueError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if path.is_file():
        return path
    near = get_close_matches(name, names(), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no grid {name!r}{hint} (known: {', '.join(names())}, or a path to a .toml)")


def load(path: Path, settings: Sequence[str] = ()) -> Grid:
    """Read a grid file and apply `key.key=value` settings to it; raises ValueError."""
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    for setting in settings:
        _apply(table, setting)
    if wrong := [key for key in table if key not in Grid.model_fields]:
        raise ValueError(f"{path}: {registry.unknown(wrong[0], set(Grid.model_fields))}")
    try:
        return Grid.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path}: {key}: {first['msg'].lower()}") from None


def _apply(table: dict[str, Any], setting: str) -> None:
    """Apply one `--set`; the value is TOML, or else a string."""
    key, equals, text = setting.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last:
        raise ValueError(f"--set {setting}: write key.key=value, such as method.rat_bptt.window=40")
    for number, part in enumerate(parents):
        if not isinstance(table.get(part), dict):
            raise ValueError(f"--set {setting}: {registry.unknown(part, _tables(table))}")
        table = table[part]
        if number == 1:
            # What is set by hand also wins over the grid's own exceptions.
            for exception in table.get("where", []):
                exception.pop(last, None)
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text.strip()


def _tables(table: Mapping[str, Any]) -> set[str]:
    return {key for key, value in table.items() if isinstance(value, dict)}


def jobs(grid: Grid) -> list[Job]:
    """Expand a grid: references first, then every (task, ipc, method, seed); raises ValueError."""
    for key in ("tasks", "ipc", "seeds"):
        values = getattr(grid, key)
        if len(set(values)) < len(values):
            raise ValueError(f"{key} {values} name one twice")
    found = [job for task in grid.tasks for job in _references(grid, task)]
    for task, ipc, label in product(grid.tasks, grid.ipc, grid.method):
        found += _trials(grid, task, ipc, label)
    owners: dict[str, str] = {}
    for job in found:
        if (owner := owners.setdefault(job.cell.id, job.label)) != job.label:
            raise ValueError(f"methods {owner!r} and {job.label!r} of the grid are the same trials; drop one")
    return list({job.cell.id: job for job in found}.values())


def plan(found: Sequence[Job]) -> Plan:
    """Return the cells of jobs, as the board expects them."""
    cells = [
        Planned(label=job.label, task=job.cell.task, ipc=job.ipc, cell=cell)
        for job in found
        for cell in job.cells
    ]
    return Plan(cells=tuple(cells))


def _references(grid: Grid, task: str) -> list[Job]:
    datasets.describe(task)
    if grid.reference is None:
        return []
    recipe(grid.reference.recipe)
    asked = grid.reference.model_dump()
    return [Job(label=FULL_DATA, cell=Reference(task=task, network=grid.network, seed=0, **asked))]


def _trials(grid: Grid, task: str, ipc: int, label: str) -> Iterator[Job]:
    where = f"method.{label}"
    own, name = _selected(grid.method[label], task, ipc, label)
    cls = registry.method(name)
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    defaults: dict[str, Any] = dict(cls.published.get((datasets.describe(task).family, ipc), {}))
    if "network" in known and "network" in grid.model_fields_set:
        defaults["network"] = grid.network
    for values, seed in product(_combinations(cls, {**defaults, **own}), grid.seeds):
        instance = registry.configure(cls, values, where=where)
        trial = Trial(
            task=task,
            method=name,
            source=registry.source(name),
            hyperparameters=json.loads(json.dumps(asdict(instance))),
            ipc=Budget(ipc).ipc,
            seed=seed,
        )
        yield Job(
            label=label,
            cell=trial,
            evaluations=tuple(_evaluations(grid, trial, cls.recipe)),
            recipe=cls.recipe,
        )


def _selected(table: Mapping[str, Any], task: str, ipc: int, label: str) -> tuple[dict[str, Any], str]:
    """Return a method's own values at (task, ipc), its exceptions applied, and the method's name."""
    values = {key: value for key, value in table.items() if key not in ("base", "where")}
    for exception in table.get("where", []):
        conditions = {"task": task, "ipc": ipc}
        if not conditions.keys() & exception.keys():
            raise ValueError(f"method.{label}.where needs a `task` or an `ipc` for which it holds")
        if all(exception.get(key, value) == value for key, value in conditions.items()):
            values |= {key: value for key, value in exception.items() if key not in conditions}
    return values, table.get("base", label)


def _evaluations(grid: Grid, trial: Trial, native: str) -> Iterator[Evaluation]:
    seen = set()
    for name, table in grid.evaluator.items():
        cls = registry.evaluator(name)
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        defaults = {"network": grid.network} if "network" in known else {}
        for values in _combinations(cls, {**defaults, **table}):
            if values.get("recipe") == NATIVE:
                values["recipe"] = native
            instance = registry.configure(cls, values, where=f"evaluator.{name}")
            evaluation = Evaluation(
                trial=trial.id,
                evaluator=name,
                settings=json.loads(json.dumps(asdict(instance))),
                # The same seed for every method: the same fresh networks retrain on each set.
                seed=derive(trial.seed, "evaluation") >> 16,
            )
            if evaluation.id not in seen:
                seen.add(evaluation.id)
                yield evaluation


def _combinations(cls: type, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one table for each combination of the values given as lists for fields that hold one."""
    hints = get_type_hints(cls)
    lists = {
        key: value
        for key, value in values.items()
        if isinstance(value, list) and get_origin(hints.get(key)) is not tuple
    }
    for combination in product(*lists.values()):
        yield {**values, **dict(zip(lists, combination, strict=True))}
