"""Read grid files in TOML, and expand them to jobs."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from suite.core.data import tasks
from suite.core.names import did_you_mean
from suite.core.networks import named
from suite.core.spec import Method
from suite.experiments import expand, studies
from suite.experiments.schema import FULL_DATA, Grid, References
from suite.experiments.tables import grid_files
from suite.experiments.tables.budget import BudgetTable
from suite.experiments.tables.resources import ResourcesTable
from suite.experiments.tables.setting import apply
from suite.experiments.tuning.settings_file import Place, SettingsFile
from suite.plugins import registry
from suite.records.cells import RANDOM, RELABELLED, Evaluation, Part, Study, Trial
from suite.records.jobs import Job


def load(path: Path, settings: Sequence[str] = (), *, tuned: bool = True) -> Grid:
    """Read a grid file and apply `key.key=value` settings to it; raises ValueError.

    tuned: whether its settings file applies.
    """
    table = grid_files.read(path)
    own, found = made(str(path), table), made(str(path), table, settings)
    if not (tuned and found.settings):
        return found
    # They were chosen for the grid as the file has it; the command line may change any of it.
    rows = {
        place: (method_name(found, place[0]), given(own if place[0] in own.method else found, *place))
        for place in places(found)
    }
    file = path.parent / found.settings
    fitting = SettingsFile.read(file).fitting(file, rows)
    if found.budget:  # which ends the runs, in place of the steps that took as long as the tries
        fitting = {place: chosen.without_steps() for place, chosen in fitting.items()}
    for (label, task, ipc), chosen in fitting.items():
        exceptions = table["method"][label].setdefault("where", [])
        exceptions.append({"task": task, "ipc": ipc, **chosen.settings})
    return made(str(path), table, settings).with_chosen(fitting)


def made(name: str, table: dict[str, Any], settings: Sequence[str] = ()) -> Grid:
    """Return the grid of a table, with `key.key=value` settings applied to it; raises ValueError.

    name: of the grid in messages.
    """
    _validated(name, table)
    changed = copy.deepcopy(table)
    for setting in settings:
        apply(changed, setting)
    return _validated(name, changed)


def _validated(name: str, table: Mapping[str, Any]) -> Grid:
    try:
        return Grid.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{name}: {_mistake(error)}") from None


def _mistake(error: ValidationError) -> str:
    """Return one mistake as text: a misspelt key rather than the key that is therefore missing."""
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        *parents, key = where
        tables: dict[str, type[BaseModel]] = {
            "reference": References,
            "resources": ResourcesTable,
            "budget": BudgetTable,
        }
        known = (tables[parents[-1]] if parents else Grid).model_fields
        return ": ".join([*parents, f"unknown key {key!r}; {did_you_mean(key, known)}"])
    message = first["msg"]
    own = message.removeprefix("Value error, ")  # our own message, which is not lower-cased
    return ": ".join(filter(None, [".".join(where), own if own != message else message.lower()]))


@tasks.located_once()
def jobs(grid: Grid) -> list[Job]:
    """Expand a grid: references, trials by (task, ipc, method, seed), studies; raises ValueError."""
    found = [job for task in grid.tasks for job in _references(grid, task)]
    for label, task, ipc in places(grid):
        found += _trials(grid, label, task, ipc)
    found += (job for label in grid.study for job in _studies(grid, label))
    kept: dict[str, Job] = {}
    for job in found:
        first = kept.get(job.id, job)  # a random subset of [reference] that is also a trial of a row
        if first.label != job.label:
            raise ValueError(f"rows {first.label!r} and {job.label!r} of the grid are equal; remove one")
        cells = {cell.id: cell for cell in (*first.evaluations, *job.evaluations)}
        kept[job.id] = first.model_copy(update={"evaluations": tuple(cells.values())})
    return list(kept.values())


def network(grid: Grid, task: str) -> str:
    """Return the network of a task, which all methods and evaluators share unless their table names one.

    It is the grid's, or else that of the field for the size of the task's images.
    """
    return grid.network or named.standard(tasks.describe(task).shape)


@tasks.located_once()
def places(grid: Grid) -> list[Place]:
    """Return each row of a method with each task and size at which it runs; raises ValueError."""
    sizes = {label: _parts(grid, label) for label in grid.method}
    every = product(grid.tasks, grid.ipc, grid.method)
    return [
        (label, task, ipc)
        for task, ipc, label in every
        if task in _tasks(grid, label) and ipc in sizes[label]
    ]


def method_name(grid: Grid, label: str) -> str:
    """Return the name, or the path, of a row's method."""
    return grid.method[label].base or label


def given(grid: Grid, label: str, task: str, ipc: int) -> dict[str, Any]:
    """Return the hyper-parameters that the paper and the grid give a row; others have their defaults."""
    cls = registry.method(method_name(grid, label))
    published = registry.published(cls, tasks.describe(task).published_as, ipc)
    own = grid.method[label].values(task, ipc)
    return {**published, **registry.network(cls, network(grid, task)), **own}


def native_recipe(grid: Grid, label: str, task: str, ipc: int) -> str:
    """Return the retraining recipe of a row's paper."""
    cls = registry.method(method_name(grid, label))
    return registry.native_recipe(cls, tasks.describe(task).published_as, ipc)


def trial(grid: Grid, label: str, task: str, ipc: int, seed: int, method: Method) -> Trial:
    """Return a trial of a row's method with its hyper-parameters."""
    name = method_name(grid, label)
    return Trial(
        task=task,
        method=name,
        source=registry.source(name),
        hyperparameters=expand.plain(method),
        ipc=ipc,
        seed=seed,
        device_seconds=grid.budget.all[-1] if grid.budget else None,
    )


def _references(grid: Grid, task: str) -> Iterator[Job]:
    """Yield full data, then the random subsets of every size."""
    tasks.describe(task)
    if grid.reference is None:
        return
    yield Job(label=FULL_DATA, cell=grid.reference.full_data(task, network(grid, task)))
    subsets = {name: registry.method(name) for name in (RANDOM, RELABELLED)}
    rows = [registry.method(method_name(grid, label)) for label in grid.method if task in _tasks(grid, label)]
    family = tasks.describe(task).published_as
    names = subsets if grid.reference.relabelled else (RANDOM,)
    for ipc, seed, name in product(grid.ipc, grid.reference.seeds(grid.seeds), names):
        cls = subsets[name]
        natives = dict.fromkeys(registry.native_recipe(each, family, ipc) for each in (cls, *rows))
        made = registry.configure(cls, registry.network(cls, network(grid, task)), where="reference")
        trial = Trial(task=task, method=name, hyperparameters=expand.plain(made), ipc=ipc, seed=seed)
        every = (cell for native in natives for cell in _evaluations(grid, trial, native))
        cells = {cell.id: cell for cell in every}  # evaluations needed for several methods are done once
        label = _label(grid, trial)
        yield Job(label=label, cell=trial, evaluations=tuple(cells.values()), recipe=cls.recipe)


def _label(grid: Grid, reference: Trial) -> str:
    """Return the row whose trials are those of a random subset of `[reference]`, or else its method."""
    for label in grid.method:
        if reference.task in _tasks(grid, label) and method_name(grid, label) == reference.method:
            table = given(grid, label, reference.task, reference.ipc)
            cls, where = registry.method(reference.method), f"method.{label}"
            for values in expand.combinations(cls, table, where):
                made = registry.configure(cls, values, where=where)
                if expand.plain(made) == reference.hyperparameters:
                    return label
    return reference.method


def _parts(grid: Grid, label: str) -> dict[int, list[Part]]:
    """Return the sizes at which a row runs, with the evaluated parts of its sets."""
    row = grid.method[label]
    ordered = registry.method(method_name(grid, label)).ordered
    try:
        sizes, parts = row.sizes(grid.ipc), row.parts(grid.ipc, ordered=ordered)
    except ValueError as error:
        raise ValueError(f"method.{label}: {error}") from None
    return {size: parts if size == max(sizes) else [] for size in sizes}


def _tasks(grid: Grid, label: str) -> list[str]:
    """Return the tasks on which a row runs."""
    try:
        return grid.method[label].tasks_of(grid.tasks)
    except ValueError as error:
        raise ValueError(f"method.{label}: {error}") from None


def _trials(grid: Grid, label: str, task: str, ipc: int) -> Iterator[Job]:
    where, cls = f"method.{label}", registry.method(method_name(grid, label))
    native, parts = native_recipe(grid, label, task, ipc), _parts(grid, label)[ipc]
    table = given(grid, label, task, ipc)
    for values, seed in product(expand.combinations(cls, table, where), grid.seeds):
        method: Method = registry.configure(cls, values, where=where)
        own = trial(grid, label, task, ipc, seed, method)
        cells = _evaluations(grid, own, native, _snapshots(grid, method, where), parts)
        chosen = grid.chosen.get((label, task, ipc))
        tuned = chosen.tuned(own) if chosen else None
        yield Job(label=label, cell=own, evaluations=tuple(cells), recipe=native, tuned=tuned)


def _snapshots(grid: Grid, method: Method, where: str) -> list[int]:
    """Return the outer steps after which a snapshot is kept; none for a method of one step."""
    if grid.snapshots and method.outer_steps is None:
        raise ValueError(
            f"snapshots {grid.snapshots}: {where} does not know its number of outer steps in advance "
            "(`outer_steps` is None); leave snapshots out"
        )
    steps = method.outer_steps or 1
    return sorted({step for share in grid.snapshots if (step := round(share * steps)) < steps and steps > 1})


def _evaluations(
    grid: Grid, trial: Trial, native: str, steps: Sequence[int] = (), parts: Sequence[Part] = ()
) -> Iterator[Evaluation]:
    """Yield the evaluations of a trial's finished set, of its snapshots, and of its parts, each once."""
    kept: dict[str, Evaluation] = {}
    budgets = grid.budget.all[:-1] if grid.budget and trial.device_seconds else []
    sets: list[dict[str, Any]] = [
        {},
        *({"step": step} for step in steps),
        *({"device_seconds": each} for each in budgets),
    ]
    scored = [*sets, *({"part": part} for part in parts)]
    for which, (label, table) in product(scored, grid.evaluator.items()):
        settings = {"network": network(grid, trial.task), "native": native}
        for cell in expand.evaluations(trial, label, table, **settings):
            own = cell.model_copy(update=which)
            kept.setdefault(own.id, own)
    yield from kept.values()


def _studies(grid: Grid, label: str) -> Iterator[Job]:
    where, row = f"study.{label}", grid.study[label]
    name = row.base or label
    cls = studies.find(name)
    every = expand.combinations(cls, row.values, where)
    for values, task, ipc, seed in product(every, grid.tasks, grid.ipc, grid.seeds):
        made = registry.configure(cls, {**registry.network(cls, network(grid, task)), **values}, where=where)
        settings = expand.plain(made)
        cell = Study(task=task, study=name, settings=settings, ipc=ipc, seed=seed)
        yield Job(label=label, cell=cell)
