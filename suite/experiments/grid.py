"""Read grid files in TOML, and expand them to jobs."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite.core.data import tasks
from suite.core.names import did_you_mean
from suite.core.spec import Method
from suite.experiments import expand, studies
from suite.experiments.schema import FULL_DATA, Grid, References
from suite.plugins import registry
from suite.records.cells import RANDOM, Evaluation, Part, Study, Trial
from suite.records.jobs import Job, Plan, Planned

FOLDER = Path(__file__).parents[1] / "grids"


def names() -> list[str]:
    """Return the names of the grids in the package."""
    return sorted(_packaged())


def locate(name: str) -> Path:
    """Return the file of a grid given by name or path; raises ValueError."""
    if not name.endswith(".toml") and name in _packaged():
        return _packaged()[name]
    if (path := Path(name)).is_file() and name.endswith(".toml"):
        return path
    if name.endswith(".toml"):
        raise ValueError(f"no file {name!r}; grids that come with the package: {', '.join(names())}")
    raise ValueError(f"unknown grid {name!r}; {did_you_mean(name, names())}, or give a path to a .toml")


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
    """Return one mistake as text: a misspelt key rather than the key that is therefore missing."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        *parents, key = where
        known = (References if parents else Grid).model_fields
        return ": ".join([*parents, f"unknown key {key!r}; {did_you_mean(key, known)}"])
    message = first["msg"]
    own = message.removeprefix("Value error, ")  # our own message, which is not lower-cased
    return ": ".join(filter(None, [".".join(where), own if own != message else message.lower()]))


def _apply(table: dict[str, Any], setting: str) -> None:
    """Apply one `--set`."""
    key, equals, text = setting.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last:
        raise ValueError(f"--set {setting}: write key.key=value, such as method.rat_bptt.window=40")
    for number, part in enumerate(parents):
        if not isinstance(table.get(part), dict):
            tables = [key for key, value in table.items() if isinstance(value, dict)]
            raise ValueError(f"--set {setting}: unknown key {part!r}; {did_you_mean(part, tables)}")
        table = table[part]
        if number == 1:
            # A value of --set also overrides the exceptions of the grid.
            for exception in table.get("where", []):
                exception.pop(last, None)
    table[last] = toml_value(text)


def toml_value(text: str) -> Any:
    """Return a value given on the command line: TOML, or else a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def jobs(grid: Grid) -> list[Job]:
    """Expand a grid: references, trials by (task, ipc, method, seed), studies; raises ValueError."""
    found = [job for task in grid.tasks for job in _references(grid, task)]
    parts = {label: _parts(grid, label) for label in grid.method}
    for task, ipc, label in product(grid.tasks, grid.ipc, grid.method):
        if ipc in parts[label]:
            found += _trials(grid, task, ipc, label, parts[label][ipc])
    found += (job for label in grid.study for job in _studies(grid, label))
    kept: dict[str, Job] = {}
    for job in found:
        first = kept.get(job.id, job)  # a random subset of [reference] that is also a trial of a row
        if first.label != job.label:
            raise ValueError(f"rows {first.label!r} and {job.label!r} of the grid are equal; remove one")
        cells = {cell.id: cell for cell in (*first.evaluations, *job.evaluations)}
        kept[job.id] = first.model_copy(update={"evaluations": tuple(cells.values())})
    return list(kept.values())


def plan(found: Sequence[Job]) -> Plan:
    """Return the planned cells of jobs, for the board."""
    cells = [
        Planned(label=job.label, task=job.cell.task, ipc=job.size(cell), cell=cell, data=job.data)
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
        every = (cell for native in natives for cell in _evaluations(grid, trial, native))
        cells = {cell.id: cell for cell in every}  # evaluations needed for several methods are done once
        label = rows.get(subset, RANDOM)
        yield Job(label=label, cell=trial, evaluations=tuple(cells.values()), recipe=subset.recipe)


def _parts(grid: Grid, label: str) -> dict[int, list[Part]]:
    """Return the sizes at which a row runs, with the evaluated parts of its sets."""
    row = grid.method[label]
    ordered = registry.method(row.base or label).ordered
    try:
        sizes, parts = row.sizes(grid.ipc), row.parts(grid.ipc, ordered=ordered)
    except ValueError as error:
        raise ValueError(f"method.{label}: {error}") from None
    return {size: parts if size == max(sizes) else [] for size in sizes}


def _trials(grid: Grid, task: str, ipc: int, label: str, parts: Sequence[Part]) -> Iterator[Job]:
    where, row = f"method.{label}", grid.method[label]
    name = row.base or label
    cls = registry.method(name)
    published = cls.published.get((tasks.describe(task).family, ipc), {})
    table = {**published, **_network(grid, cls), **row.values(task, ipc)}
    for values, seed in product(expand.combinations(cls, table, where), grid.seeds):
        method: Method = registry.configure(cls, values, where=where)
        trial = Trial(
            task=task,
            method=name,
            source=registry.source(name),
            hyperparameters=expand.plain(method),
            ipc=ipc,
            seed=seed,
        )
        cells = _evaluations(grid, trial, cls.recipe, _snapshots(grid, method, where), parts)
        yield Job(label=label, cell=trial, evaluations=tuple(cells), recipe=cls.recipe)


def _network(grid: Grid, cls: type) -> dict[str, str]:
    """Return the grid's network as a setting of `cls`: nothing where it has no such field."""
    named = "network" in grid.model_fields_set and "network" in registry.field_names(cls)
    return {"network": grid.network} if named else {}


def _snapshots(grid: Grid, method: Method, where: str) -> list[int]:
    """Return the outer steps after which a snapshot is kept; none for a method of one step."""
    if grid.snapshots and method.outer_steps is None:
        raise ValueError(
            f"snapshots {grid.snapshots}: {where} does not tell its number of outer steps in advance "
            "(`outer_steps` is None); leave snapshots out"
        )
    steps = method.outer_steps or 1
    return sorted({step for share in grid.snapshots if (step := round(share * steps)) < steps and steps > 1})


def _evaluations(
    grid: Grid, trial: Trial, native: str, steps: Sequence[int] = (), parts: Sequence[Part] = ()
) -> Iterator[Evaluation]:
    """Yield the evaluations of a trial's finished set, of its snapshots, and of its parts, each once."""
    kept: dict[str, Evaluation] = {}
    sets = [(None, None), *((step, None) for step in steps), *((None, part) for part in parts)]
    for (step, part), (label, table) in product(sets, grid.evaluator.items()):
        settings = {"network": grid.network, "native": native}
        for cell in expand.evaluations(trial, label, table, **settings, step=step, part=part):
            kept.setdefault(cell.id, cell)
    yield from kept.values()


def _studies(grid: Grid, label: str) -> Iterator[Job]:
    where, row = f"study.{label}", grid.study[label]
    name = row.base or label
    cls = studies.find(name)
    every = expand.combinations(cls, {**_network(grid, cls), **row.values}, where)
    for values, task, ipc, seed in product(every, grid.tasks, grid.ipc, grid.seeds):
        settings = expand.plain(registry.configure(cls, values, where=where))
        cell = Study(task=task, study=name, settings=settings, ipc=ipc, seed=seed)
        yield Job(label=label, cell=cell)
