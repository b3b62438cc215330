"""Descriptions for `ratbench list` and `ratbench show`."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table

from suite.core.data import tasks
from suite.core.names import did_you_mean
from suite.core.networks import named
from suite.core.spec import Method
from suite.core.training.augment import AUGMENTATIONS
from suite.core.training.recipes import RECIPES
from suite.experiments import grid, studies
from suite.plugins import registry
from suite.plugins.differences import Difference, differences


@dataclass(frozen=True)
class _Described:
    """How names of one kind are listed and shown."""

    names: Callable[[], Iterable[str]]
    row: Callable[[str], tuple[str, ...]]  # the columns after a name in a list
    details: Callable[[str], Iterator[RenderableType]]

    def has(self, name: str) -> bool:
        """Return whether a name has this kind."""
        return name in self.names()


class _Networks(_Described):
    def has(self, name: str) -> bool:
        """Return whether a name begins with the name of a family."""
        return name.partition("-")[0] in named.ARCHITECTURES


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
        near = did_you_mean(name, [each for described in _KINDS.values() for each in described.names()])
        hint = "see `ratbench list methods`" if near.startswith("known") else near
        raise ValueError(f"unknown name {name!r}; {hint}")
    for kind in owners:
        yield from _KINDS[kind].details(name)


def papers(cls: type[Method]) -> list[str]:
    """Return the arXiv links of a method's papers."""
    return [f"https://arxiv.org/abs/{number}" for number in re.findall(r"\d{4}\.\d{4,5}", cls.paper)]


def title(cls: type[Method]) -> str:
    """Return a method's title, or the first line of its docstring."""
    return cls.title or registry.summary(cls)


def published(cls: type[Method]) -> dict[str, str]:
    """Return the paper's settings: `name = value` pairs for each task and its sizes."""
    sizes = defaultdict[tuple[str, str], list[str]](list)
    for (family, ipc), settings in cls.published.items():
        values = ", ".join(f"{key} = {value!r}" for key, value in settings.items())
        sizes[family, values].append(str(ipc))
    return {f"{family} at ipc {', '.join(ipcs)}": values for (family, values), ipcs in sizes.items()}


def _method_row(name: str) -> tuple[str, ...]:
    cls = registry.method(name)
    return title(cls), cls.paper


def _method(name: str) -> Iterator[RenderableType]:
    cls = registry.method(name)
    yield f"[bold]{name}[/]: {title(cls)}"
    if cls.title:
        yield registry.summary(cls)
    if cls.paper:
        yield "\n  ".join([f"paper: {cls.paper}", *papers(cls)])
    yield f"recipe: {cls.recipe}"
    yield _fields(cls)
    for where, values in published(cls).items():
        yield f"the paper's settings for {where}: {values}"
    if found := differences(name):
        yield difference_table(found)


def difference_table(found: Iterable[Difference]) -> Table:
    """Return the differences of a method from its paper as a table."""
    table = Table("differs in", "paper", "here", "why", box=None, pad_edge=False)
    for each in found:
        table.add_row(each.point, each.paper, each.ours, ". ".join(filter(None, (each.why, each.effect))))
    return table


def _class(name: str, cls: type) -> Iterator[RenderableType]:
    yield f"[bold]{name}[/]: {registry.summary(cls)}"
    yield _fields(cls)


def _fields(cls: type) -> Table:
    found = Table("hyper-parameter", "type", "default", box=None, pad_edge=False)
    for field, (kind, default) in registry.hyperparameters(cls).items():
        found.add_row(field, kind, repr(default))
    return found


def _task_row(name: str) -> tuple[str, ...]:
    info = tasks.describe(name)
    shape = "x".join(map(str, info.shape))
    return (f"{info.classes} classes, {shape}, {info.preprocessing}; {info.source}",)


def _network(name: str) -> Iterator[RenderableType]:
    size = named.network(name, (3, 32, 32), 10).size
    yield f"[bold]{name}[/]: {named.ARCHITECTURES[name.partition('-')[0]].description}"
    yield f"{size:,} parameters for 32x32 colour images and 10 classes"


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
    "tasks": _Described(tasks.names, _task_row, lambda name: _pairs(name, asdict(tasks.describe(name)))),
    "networks": _Networks(named.forms, lambda form: (named.forms()[form],), _network),
    "recipes": _Described(
        lambda: RECIPES,
        lambda name: (RECIPES[name].source,),
        lambda name: _pairs(name, asdict(RECIPES[name])),
    ),
    "augmentations": _Described(
        lambda: AUGMENTATIONS,
        lambda name: (repr(AUGMENTATIONS[name]),),
        lambda name: iter([f"[bold]{name}[/]: {AUGMENTATIONS[name]!r}"]),
    ),
    "grids": _Described(
        grid.names,
        lambda name: (grid.load(grid.locate(name)).title,),
        lambda name: iter([Syntax(grid.locate(name).read_text(), "toml", background_color="default")]),
    ),
}
