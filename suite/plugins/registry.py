"""Find methods and evaluators by name or by path, and build them from plain values."""

import hashlib
import inspect
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from suite.core.names import OURS, did_you_mean, from_package, installed
from suite.core.spec import ANY_SIZE, LATER, UNPUBLISHED, Evaluator, Method
from suite.core.training.recipes import RECIPES
from suite.plugins import evaluators, methods
from suite.plugins.loading import load

Entry = TypeVar("Entry")
Default = TypeVar("Default")
Kind = Literal["method", "evaluator"]
_FOLDERS = {"method": methods, "evaluator": evaluators}


def names(kind: Kind) -> list[str]:
    """Return the sorted names of all methods or evaluators, including those of installed packages."""
    return sorted({*_files(kind), *(point.name for point in installed(kind))})


def method(name: str) -> type[Method]:
    """Return the method named `name`, or the method in the file at this path.

    Raises ValueError for an unknown or former name, with a suggestion, and for an invalid file.
    """
    found: type[Method] = find("method", name)
    return found


def evaluator(name: str) -> type[Evaluator]:
    """Return the evaluator called `name`, or the one in the file at this path; raises ValueError."""
    found: type[Evaluator] = find("evaluator", name)
    return found


def kinds(name: str) -> list[Kind]:
    """Return what a name or a path stands for: a method, an evaluator, or both; raises ValueError."""
    both: tuple[Kind, ...] = get_args(Kind)
    if name.endswith(".py"):
        found = [kind for kind in both if hasattr(load(Path(name)), kind.upper())]
        if not found:
            raise ValueError(f"{name} must end with `METHOD = ...` or `EVALUATOR = ...`")
        return found
    found = [kind for kind in both if name in names(kind)]
    if not found:
        refuse_study(name)
        raise ValueError(
            f"unknown method or evaluator {name!r}; "
            f"{did_you_mean(name, [*names('method'), *names('evaluator')])}"
        )
    return found


def source(name: str, kind: Kind = "method") -> str:
    """Return the sha256 of the file of a method or evaluator; "" if it is part of RaT-Bench."""
    if name in _files(kind):
        return ""
    return hashlib.sha256(Path(file(kind, name)).read_bytes()).hexdigest()


def recipe_source(name: str) -> str:
    """Return a sha256 that changes with a recipe of a plug-in or a package; "" for one of RaT-Bench."""
    base = name.partition(":")[0]
    if base not in RECIPES or (owner := RECIPES.owner(base)) == OURS:
        return ""
    content = Path(owner).read_bytes() if owner.endswith(".py") else repr(RECIPES[base]).encode()
    return hashlib.sha256(content).hexdigest()


def file(kind: Kind, name: str) -> str:
    """Return the path of the file of a method or evaluator; raises ValueError for an unknown name."""
    return name if name.endswith(".py") else inspect.getfile(find(kind, name))


@cache  # a large grid asks thousands of times
def _files(kind: Kind) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(_FOLDERS[kind].__path__)]


def find(kind: Kind, name: str) -> Any:
    """Return the class as `method` or `evaluator` does; raises ValueError."""
    constant = kind.upper()
    if name.endswith(".py"):
        return _checked(
            getattr(load(Path(name)), constant, None), f"{name} must end with `{constant} = ...`,"
        )
    ours = name in _files(kind)
    if (brought := from_package(kind, name, OURS if ours else "")) is not None:
        return _checked(brought, f"{kind} {name!r} of an installed package must be")
    if ours:
        return getattr(import_module(f"{_FOLDERS[kind].__name__}.{name}"), constant)
    if kind == "method":
        refuse_study(name)
    raise ValueError(f"unknown {kind} {name!r}; {did_you_mean(name, names(kind))}")


def refuse_study(name: str) -> None:
    """Raise ValueError for `gradient_study`, which was a method up to protocol 1."""
    if name == "gradient_study":
        raise ValueError("method 'gradient_study' is a study now: [study.gradient_study]")


def _checked(found: Any, demand: str) -> Any:
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ValueError(f"{demand} a frozen dataclass, not {found!r}")
    return found


def summary(cls: type) -> str:
    """Return the first line of a class's docstring."""
    return next(iter((cls.__doc__ or "").strip().splitlines()), "")


def native_recipe(cls: type[Method], family: str, ipc: int) -> str:
    """Return the retraining recipe of a method's paper for a task family and a size."""
    return _at(cls.recipes, family, ipc, cls.recipe)


def published(cls: type[Method], family: str, ipc: int) -> Mapping[str, Any]:
    """Return the settings that are published for a task family and a size; others have their defaults."""
    return _at(cls.published, family, ipc, {})


def source_of_settings(cls: type[Method], family: str, ipc: int) -> str:
    """Return where a method's settings come from, or UNPUBLISHED; "" if from its paper or authors' code."""
    own, known = (family, ipc) in cls.published, _at(cls.published, family, ipc, None) is not None
    found = cls.borrowed.get((family, ipc), "") if own else _at(cls.borrowed, family, ipc, "")
    # A subclass with settings of its own may inherit what was said of others.
    return found if known == (found != UNPUBLISHED) else ""


def _at(table: Mapping[tuple[str, int], Entry], family: str, ipc: int, default: Default) -> Entry | Default:
    """Return the entry of a task family at a size, or else that at any size."""
    return table.get((family, ipc), table.get((family, ANY_SIZE), default))


def field_names(cls: Any) -> set[str]:
    """Return the names of a dataclass's fields."""
    return {field.name for field in fields(cls)}


def network(cls: type, name: str) -> dict[str, str]:
    """Return the network `name` as a setting of `cls`: nothing where it has no such field."""
    return {"network": name} if "network" in field_names(cls) else {}


def hyperparameters(cls: type) -> dict[str, tuple[str, Any]]:
    """Return the type, as written, and the default of each field."""
    hints = get_type_hints(cls)
    return {field.name: (_type_name(hints[field.name]), _default(field)) for field in fields(cls)}


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else "required"


def configure(cls: type, values: Mapping[str, Any], *, where: str) -> Any:
    """Build a method or evaluator from plain values, as TOML gives them.

    where: the place of the values, for messages. Raises ValueError for an unknown name (with the nearest
    known name), a wrong type, and values that the class refuses.
    """
    adapters = _adapters(cls)
    checked = {}
    for name, value in values.items():
        if name not in adapters:
            raise ValueError(f"{where}: {unknown(name, set(adapters))}")
        try:
            text = json.dumps(value, allow_nan=False)
            checked[name] = adapters[name].validate_json(text, strict=True)
        except (ValueError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ValueError(f"{where}: {name} = {value!r}: {reason.lower()}") from None
    try:
        return cls(**checked)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def stored(cls: type, values: Mapping[str, Any], *, where: str) -> Any:
    """Build a method or evaluator from the settings of a cell; see `configure`.

    Fields of `later` that they leave out have the values of earlier releases, whatever their defaults are.
    """
    before = {each.name: each.metadata[LATER] for each in fields(cls) if LATER in each.metadata}
    return configure(cls, {**before, **values}, where=where)


@lru_cache(maxsize=256)  # a large grid builds thousands of a class
def _adapters(cls: Any) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(cls)
    return {field.name: TypeAdapter(hints[field.name]) for field in fields(cls)}


def unknown(name: str, known: set[str]) -> str:
    """Return the message for an unknown key, with the nearest known one."""
    return f"unknown key {name!r}; {did_you_mean(name, known)}"
