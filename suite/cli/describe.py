"""What there is, for `ratbench list` and `ratbench show`."""

from collections.abc import Iterator
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table

from suite.core.data import tasks
from suite.core.training.recipes import RECIPES
from suite.experiments import grid
from suite.plugins import registry


def table(what: str) -> Table:
    """Return the names of one kind, each with a line."""
    found = Table("name", "", box=None, pad_edge=False)
    for name in _names()[what]:
        found.add_row(name, _line(what, name))
    return found


def _names() -> dict[str, list[str]]:
    return {
        "methods": registry.names("method"),
        "evaluators": registry.names("evaluator"),
        "tasks": list(tasks.names()),
        "recipes": list(RECIPES),
        "grids": grid.names(),
    }


def _line(what: str, name: str) -> str:
    if what == "methods":
        return registry.summary(registry.method(name))
    if what == "evaluators":
        return registry.summary(registry.evaluator(name))
    if what == "tasks":
        info = tasks.describe(name)
        shape = "x".join(map(str, info.shape))
        return f"{info.classes} classes, {shape}, {info.preprocessing}; {info.source}"
    return RECIPES[name].source if what == "recipes" else grid.load(grid.locate(name)).title


def details(name: str) -> Iterator[RenderableType]:
    """Yield what is known of a name; raises ValueError for one that nothing has."""
    owners = [what for what, names in _names().items() if name in names]
    if name.endswith(".py"):
        owners = ["methods"]
    if not owners:
        known = [known for names in _names().values() for known in names]
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else "; `ratbench list methods` shows some"
        raise ValueError(f"nothing is called {name!r}{hint}")
    for what in owners:
        if what in ("methods", "evaluators"):
            yield from _class_details(
                name, registry.method(name) if what == "methods" else registry.evaluator(name)
            )
        elif what == "grids":
            yield Syntax(grid.locate(name).read_text(), "toml", background_color="default")
        else:
            values = asdict(RECIPES[name]) if what == "recipes" else asdict(tasks.describe(name))
            yield _pairs(name, values)


def _class_details(name: str, cls: Any) -> Iterator[RenderableType]:
    yield f"[bold]{name}[/]: {registry.summary(cls)}"
    if paper := getattr(cls, "paper", ""):
        yield f"paper: {paper}; its recipe: {cls.recipe}"
    fields = Table("hyper-parameter", "type", "default", box=None, pad_edge=False)
    for field, (kind, default) in registry.hyperparameters(cls).items():
        fields.add_row(field, kind, repr(default))
    yield fields
    for (family, ipc), settings in getattr(cls, "published", {}).items():
        values = ", ".join(f"{key} = {value!r}" for key, value in settings.items())
        yield f"{family} at ipc {ipc}: {values}"


def _pairs(name: str, values: dict[str, Any]) -> Table:
    found = Table(name, "", box=None, pad_edge=False)
    for key, value in values.items():
        if value not in ("", (), None):
            found.add_row(key, str(value))
    return found
