"""Descriptions for `ratbench list` and `ratbench show`."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from suite.core.data import tasks
from suite.core.data.reading.download import DataMissing, nothing_fetched
from suite.core.names import did_you_mean
from suite.core.networks import named
from suite.core.spec import ANY_SIZE, UNPUBLISHED, Method
from suite.core.training.augment import AUGMENTATIONS
from suite.core.training.recipes import RECIPES
from suite.experiments import grid, studies
from suite.experiments.tables import grid_files
from suite.figures import pictures
from suite.plugins import registry
from suite.plugins.differences import Difference, differences


@dataclass(frozen=True)
class _Described:
    """How names of one kind are listed and shown."""

    names: Callable[[], Iterable[str]]
    row: Callable[[str], tuple[str, ...]]  # the columns after a name in a list
    details: Callable[[str], Iterator[RenderableType]]
    unlisted: Callable[[str], bool] = lambda name: False  # whether a name that is not listed has this kind

    def has(self, name: str) -> bool:
        """Return whether a name has this kind."""
        return self.unlisted(name) or name in self.names()


def table(kind: str) -> Table:
    """Return the names of one kind, with one line about each."""
    described = _KINDS[kind]
    rows = [(name, *described.row(name)) for name in described.names()]
    found = Table("name", *[""] * (len(rows[0]) - 1), box=None, pad_edge=False)
    for row in rows:
        found.add_row(*row)
    return found


def row(kind: str, name: str) -> tuple[str, ...]:
    """Return the columns of a list after a name."""
    return _KINDS[kind].row(name)


def details(name: str) -> Iterator[RenderableType]:
    """Yield facts about a name or the file of a plug-in; raises ValueError for an unknown name."""
    owners = [kind for kind, described in _KINDS.items() if described.has(name)]
    if name.endswith(".py"):
        owners = [f"{kind}s" for kind in registry.kinds(name)]
    if not owners:
        registry.refuse_study(name)
        if "/" in name:
            tasks.describe(name)  # which says how such tasks are written
        near = did_you_mean(name, [each for described in _KINDS.values() for each in described.names()])
        hint = "see `ratbench list methods`" if near.startswith("known") else near
        raise ValueError(f"unknown name {name!r}; {hint}")
    for kind in owners:
        yield from _KINDS[kind].details(name)


def grid_file(name: str) -> Path | None:
    """Return the file of a grid, if `name` is that of a grid; raises ValueError for the path of no file."""
    return grid_files.locate(name) if _KINDS["grids"].has(name) else None


def plot_samples(name: str, path: Path) -> None:
    """Write a PNG with one training image of each class of a task; nothing is fetched.

    Raises ValueError for another kind of name, and DataMissing.
    """
    if not _KINDS["tasks"].has(name):
        raise ValueError(
            f"--samples: {name!r} is not a task; give one of `ratbench list tasks`, or folder:/path"
        )
    with nothing_fetched():
        pictures.plot_samples(tasks.load(name), path)


def papers(cls: type[Method]) -> list[str]:
    """Return the arXiv links of a method's papers."""
    return [f"https://arxiv.org/abs/{number}" for number in re.findall(r"\d{4}\.\d{4,5}", cls.paper)]


def title(cls: type[Method]) -> str:
    """Return a method's title, or the first line of its docstring."""
    return cls.title or registry.summary(cls)


def published(cls: type[Method]) -> dict[str, str]:
    """Return `name = value` pairs for each task and its sizes, under a heading that says whose they are."""
    sizes = defaultdict[tuple[str, str, str], list[int]](list)
    others = (key for key in cls.borrowed if registry.source_of_settings(cls, *key) == UNPUBLISHED)
    keys = (*cls.published, *others)
    for family, ipc in keys:
        settings = registry.published(cls, family, ipc)
        values = ", ".join(f"{key} = {value!r}" for key, value in settings.items()) or "the defaults"
        sizes[family, values, registry.source_of_settings(cls, family, ipc)].append(ipc)
    return {
        _heading(_where(keys, family, ipcs), source): values
        for (family, values, source), ipcs in sizes.items()
    }


def _heading(where: str, source: str) -> str:
    if source == UNPUBLISHED:
        return f"No settings are published for {where}"
    return f"Settings for {where}, from {source}" if source else f"The paper's settings for {where}"


def _where(table: Iterable[tuple[str, int]], family: str, ipcs: Sequence[int]) -> str:
    """Return a task with its sizes. table: the keys, among which other sizes of the task may be."""
    listed = ", ".join(str(ipc) for ipc in ipcs if ipc != ANY_SIZE)
    if ANY_SIZE not in ipcs:
        return f"{family} at ipc {listed}"
    others = any(of == family and ipc not in ipcs for of, ipc in table)
    return f"{family} at any other size" if others else f"{family} at any size"


def recipes(cls: type[Method]) -> dict[str, str]:
    """Return the retraining recipe for tasks and sizes where it is not the method's usual one."""
    sizes = defaultdict[tuple[str, str], list[int]](list)
    for (family, ipc), recipe in cls.recipes.items():
        sizes[family, recipe].append(ipc)
    return {_where(cls.recipes, family, ipcs): recipe for (family, recipe), ipcs in sizes.items()}


def _method_row(name: str) -> tuple[str, ...]:
    cls = registry.method(name)
    return title(cls), cls.paper


def _method(name: str) -> Iterator[RenderableType]:
    cls = registry.method(name)
    yield _named(name, title(cls))
    if cls.title:
        yield registry.summary(cls)
    if cls.paper:
        yield "\n  ".join([f"paper: {cls.paper}", *papers(cls)])
    yield f"recipe: {cls.recipe}"
    for where, recipe in recipes(cls).items():
        yield f"recipe for {where}: {recipe}"
    yield _fields(cls)
    for heading, values in published(cls).items():
        yield f"{heading}: {values}"
    if found := differences(name):
        yield difference_table(found)


def difference_table(found: Iterable[Difference]) -> Table:
    """Return the differences of a method from its paper as a table."""
    table = Table("differs in", "paper", "here", "why", box=None, pad_edge=False)
    for each in found:
        table.add_row(each.point, each.paper, each.ours, ". ".join(filter(None, (each.why, each.effect))))
    return table


def _named(name: str, text: str) -> Text:
    return Text.assemble((name, "bold"), f": {text}")


def _class(name: str, cls: type) -> Iterator[RenderableType]:
    yield _named(name, registry.summary(cls))
    yield _fields(cls)


def _fields(cls: type) -> Table:
    found = Table("hyper-parameter", "type", "default", box=None, pad_edge=False)
    for field, (kind, default) in registry.hyperparameters(cls).items():
        found.add_row(field, kind, repr(default))
    return found


def _task_row(name: str) -> tuple[str, ...]:
    if name in tasks.FORMS:
        return (tasks.FORMS[name],)
    info = tasks.describe(name)
    shape = "x".join(map(str, info.shape))
    return (f"{info.classes} classes, {shape}, {info.preprocessing}; {info.source}",)


def _task(name: str) -> Iterator[RenderableType]:
    """Yield the facts of a task, and what was found in its files if they are here; nothing is fetched."""
    with nothing_fetched():
        info = tasks.describe(name)
    yield from _pairs(name, asdict(info))
    try:
        with nothing_fetched():
            yield from map(Text, tasks.told(tasks.load(name), every_class=True))
    except DataMissing as error:
        yield Text(f"data: {error}")


def _network(name: str) -> Iterator[RenderableType]:
    size = named.network(name, (3, 32, 32), 10).size
    yield _named(name, named.ARCHITECTURES[name.partition("-")[0]].description)
    yield f"{size:,} parameters for 32x32 colour images and 10 classes"


def _grid(name: str) -> Iterator[RenderableType]:
    """Yield a grid's file in colours, not folded or padded, so that a copy of it is a grid, too."""
    text = Syntax("", "toml", background_color="default").highlight(grid_files.locate(name).read_text())
    text.rstrip()
    yield text


def _pairs(name: str, values: Mapping[str, Any]) -> Iterator[RenderableType]:
    found = Table(name, "", box=None, pad_edge=False)
    for key, value in values.items():
        if value not in ("", (), None):
            found.add_row(key, str(value))
    yield found


_KINDS: dict[str, _Described] = {
    "methods": _Described(lambda: registry.names("method"), _method_row, _method),
    "evaluators": _Described(
        lambda: registry.names("evaluator"),
        lambda name: (registry.summary(registry.evaluator(name)),),
        lambda name: _class(name, registry.evaluator(name)),
    ),
    "studies": _Described(
        lambda: studies.STUDIES,
        lambda name: (registry.summary(studies.find(name)),),
        lambda name: _class(name, studies.find(name)),
    ),
    "tasks": _Described(
        lambda: [*tasks.names(), *tasks.FORMS],
        _task_row,
        _task,
        unlisted=lambda name: ":" in name,  # a path follows
    ),
    "networks": _Described(
        named.forms,
        lambda form: (named.forms()[form],),
        _network,
        unlisted=lambda name: name.partition("-")[0] in named.ARCHITECTURES,
    ),
    "recipes": _Described(
        lambda: RECIPES,
        lambda name: (RECIPES[name].source,),
        lambda name: _pairs(name, asdict(RECIPES[name])),
    ),
    "augmentations": _Described(
        lambda: AUGMENTATIONS,
        lambda name: (repr(AUGMENTATIONS[name]),),
        lambda name: iter([_named(name, repr(AUGMENTATIONS[name]))]),
    ),
    "grids": _Described(
        grid_files.names,
        lambda name: (grid.load(grid_files.locate(name)).title,),
        _grid,
        unlisted=lambda name: name.endswith(".toml"),
    ),
}
