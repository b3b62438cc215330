"""A grid file in TOML becomes a list of jobs; unknown keys are refused before anything runs."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
)

from suite.core.data import tasks
from suite.core.networks.named import STANDARD
from suite.experiments import expand
from suite.experiments.schema import MethodTable, References
from suite.plugins import registry
from suite.records.cells import RANDOM, Evaluation, Part, Trial
from suite.records.jobs import Job, Plan, Planned

FULL_DATA = "full_data"
FOLDER = Path(__file__).parents[1] / "grids"


class Grid(BaseModel):
    """What a grid file may say. `network` goes to every method and evaluator that has the field.

    snapshots: shares of a trial's outer steps after which its set is kept and evaluated too, 0 for the
    set it starts from: what `ratbench figure curve` draws.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str
    tasks: list[str] = Field(min_length=1)
    ipc: list[PositiveInt] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    network: str = STANDARD
    method: dict[str, MethodTable] = Field(min_length=1)
    evaluator: dict[str, dict[str, Any]] = {}  # none where a study only distils
    snapshots: list[Annotated[float, Field(ge=0, lt=1)]] = []  # shares of the outer steps
    reference: References | None = None

    @field_validator("method")
    @classmethod
    def _check(cls, rows: dict[str, MethodTable]) -> dict[str, MethodTable]:
        for name in rows:
            if name == FULL_DATA or not re.fullmatch(r"\w[\w.-]*", name):
                raise ValueError(
                    f"{name!r} is no name for a row: use letters, digits, . _ -, not {FULL_DATA}"
                )
        return rows


def names() -> list[str]:
    """Return the names of the grids that come with the package."""
    return sorted(_packaged())


def locate(name: str) -> Path:
    """Return the file of a grid given by name or path; raises ValueError."""
    if not name.endswith(".toml") and name in _packaged():
        return _packaged()[name]
    if (path := Path(name)).is_file() and name.endswith(".toml"):
        return path
    if name.endswith(".toml"):
        raise ValueError(f"there is no file {name!r}; grids that come with the package: {', '.join(names())}")
    near = get_close_matches(name, names(), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no grid {name!r}{hint} (known: {', '.join(names())}, or a path to a .toml)")


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in FOLDER.glob("*/*.toml")}


def load(path: Path, settings: Sequence[str] = ()) -> Grid:
    """Read a grid file and apply `key.key=value` settings to it; raises ValueError."""
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    _validated(path, table)
    for setting in settings:
        _apply(table, setting)
    return _validated(path, table)


def _validated(path: Path, table: Mapping[str, Any]) -> Grid:
    try:
        return Grid.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{path}: {_mistake(error)}") from None


def _mistake(error: ValidationError) -> str:
    """Say what is wrong first; a misspelt key comes before the key that is therefore missing."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    *parents, key = (str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        model = References if parents else Grid
        return ": ".join([*parents, registry.unknown(key, set(model.model_fields))])
    return f"{'.'.join([*parents, key])}: {first['msg'].lower().removeprefix('value error, ')}"


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
    asked = {label: _asked(grid, label) for label in grid.method}
    for task, ipc, label in product(grid.tasks, grid.ipc, grid.method):
        if ipc in asked[label]:
            found += _trials(grid, task, ipc, label, asked[label][ipc])
    kept: dict[str, Job] = {}
    for job in found:
        first = kept.get(job.id, job)  # a reference, where its own row asks for the same trial
        if first.label != job.label:
            raise ValueError(
                f"methods {first.label!r} and {job.label!r} of the grid are the same trials; drop one"
            )
        cells = {cell.id: cell for cell in (*first.evaluations, *job.evaluations)}
        kept[job.id] = first.model_copy(update={"evaluations": tuple(cells.values())})
    return list(kept.values())


def plan(found: Sequence[Job]) -> Plan:
    """Return the cells of jobs, as the board expects them."""
    cells = [
        Planned(label=job.label, task=job.cell.task, ipc=job.size(cell), cell=cell)
        for job in found
        for cell in job.cells
    ]
    return Plan(cells=tuple(cells))


def _references(grid: Grid, task: str) -> Iterator[Job]:
    """Yield full data, then the random subsets of every size."""
    tasks.describe(task)
    if grid.reference is None:
        return
    yield Job(label=FULL_DATA, cell=grid.reference.full_data(task, grid.network))
    rows = {registry.method(row.base or label): label for label, row in grid.method.items()}
    subset = registry.method(RANDOM)
    natives = dict.fromkeys(cls.recipe for cls in (subset, *rows))
    for ipc, seed in product(grid.ipc, grid.reference.seeds(grid.seeds)):
        trial = Trial(task=task, method=RANDOM, hyperparameters={}, ipc=ipc, seed=seed)
        asked = (cell for native in natives for cell in _evaluations(grid, trial, native))
        cells = {cell.id: cell for cell in asked}  # one that two methods need is asked for once
        label = rows.get(subset, RANDOM)
        yield Job(label=label, cell=trial, evaluations=tuple(cells.values()), recipe=subset.recipe)


def _asked(grid: Grid, label: str) -> dict[int, list[Part]]:
    """Return the sizes at which a row runs, each with the parts of its sets that are evaluated too."""
    row = grid.method[label]
    ordered = getattr(registry.method(row.base or label), "ordered", False)
    try:
        sizes, parts = row.sizes(grid.ipc), row.parts(grid.ipc, ordered=ordered)
    except ValueError as error:
        raise ValueError(f"method.{label}: {error}") from None
    return {size: parts if size == max(sizes) else [] for size in sizes}


def _trials(grid: Grid, task: str, ipc: int, label: str, parts: Sequence[Part]) -> Iterator[Job]:
    where = f"method.{label}"
    row = grid.method[label]
    name = row.base or label
    cls = registry.method(name)
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    defaults: dict[str, Any] = dict(cls.published.get((tasks.describe(task).family, ipc), {}))
    if "network" in known and "network" in grid.model_fields_set:
        defaults["network"] = grid.network
    for values, seed in product(
        expand.combinations(cls, {**defaults, **row.values(task, ipc)}, where), grid.seeds
    ):
        instance = registry.configure(cls, values, where=where)
        trial = Trial(
            task=task,
            method=name,
            source=registry.source(name),
            hyperparameters=json.loads(json.dumps(asdict(instance))),
            ipc=ipc,
            seed=seed,
        )
        yield Job(
            label=label,
            cell=trial,
            evaluations=tuple(_evaluations(grid, trial, cls.recipe, _snapshots(grid, instance), parts)),
            recipe=cls.recipe,
        )


def _snapshots(grid: Grid, method: Any) -> list[int]:
    """Return the outer steps at which a trial's set is kept: none for a method that takes only one."""
    steps = getattr(method, "steps", 0)
    return sorted({step for share in grid.snapshots if (step := round(share * steps)) < steps})


def _evaluations(
    grid: Grid, trial: Trial, native: str, steps: Sequence[int] = (), parts: Sequence[Part] = ()
) -> Iterator[Evaluation]:
    """Yield the evaluations of a trial's finished set, of its snapshots, and of its parts."""
    seen = set()
    asked = [(None, None), *((step, None) for step in steps), *((None, part) for part in parts)]
    for (step, part), (name, table) in product(asked, grid.evaluator.items()):
        for values in expand.settings(name, table, network=grid.network, native=native):
            evaluation = expand.evaluate(trial, name, values, step, part)
            if evaluation.id not in seen:
                seen.add(evaluation.id)
                yield evaluation
