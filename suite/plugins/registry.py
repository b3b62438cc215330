"""Finds methods and evaluators by file name, by path, and as installed plug-ins."""

import hashlib
import importlib.util
import inspect
import json
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

import evaluators
import methods
from suite.core.spec import Evaluator, Method

Kind = Literal["method", "evaluator"]
_FOLDERS = {"method": methods, "evaluator": evaluators}


def names(kind: Kind) -> list[str]:
    """Return the sorted names of all methods or evaluators, installed plug-ins included."""
    return sorted({*_files(kind), *(point.name for point in _plugins(kind))})


def method(name: str) -> type[Method]:
    """Return the method class called `name`, or in the file at the path `name`.

    Raises ValueError naming the nearest known one.
    """
    found: type[Method] = _find("method", name)
    return found


def evaluator(name: str) -> type[Evaluator]:
    """Return the evaluator class called `name`; raises ValueError naming the nearest known one."""
    found: type[Evaluator] = _find("evaluator", name)
    return found


def source(name: str, kind: Kind = "method") -> str:
    """Return the sha256 of the file of a plug-in, by its name or path; "" for those a release pins."""
    if name in _files(kind):
        return ""
    path = name if name.endswith(".py") else inspect.getfile(_find(kind, name))
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _files(kind: Kind) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(_FOLDERS[kind].__path__)]


@cache
def _plugins(kind: Kind) -> tuple[EntryPoint, ...]:
    """Return what installed packages bring; looked for once, as all their metadata is read for it."""
    return tuple(entry_points(group=f"ratbench.{kind}s"))


def _find(kind: Kind, name: str) -> Any:
    if name.endswith(".py"):
        return _constant(_module_at(Path(name)), kind, name)
    if plugins := [point for point in _plugins(kind) if point.name == name]:
        return _plugin(plugins, kind, name)
    known = names(kind)
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown {kind} {name!r}{hint} (known: {', '.join(known)})")
    return _constant(import_module(f"{_FOLDERS[kind].__name__}.{name}"), kind, name)


def _plugin(found: list[EntryPoint], kind: Kind, name: str) -> Any:
    """Load what an installed package brings; raises ValueError where the name is not its alone."""
    owners = [f"the package {point.dist.name}" if point.dist else point.value for point in found]
    owners += ["RaT-Bench itself"] * (name in _files(kind))
    if len(owners) > 1:
        raise ValueError(f"{kind} {name!r} comes with {' and '.join(owners)}; rename its entry point in one")
    try:
        loaded = found[0].load()
    except Exception as error:
        raise ValueError(
            f"{kind} {name!r} of {owners[0]} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(loaded, type) and is_dataclass(loaded)):
        raise ValueError(f"{kind} {name!r} of {owners[0]} must be a frozen dataclass, not {loaded!r}")
    return loaded


def _module_at(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"ratbench_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"there is no Python file at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _constant(module: ModuleType, kind: Kind, name: str) -> Any:
    constant = kind.upper()
    found = getattr(module, constant, None)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ValueError(f"{name} must end with `{constant} = …`, a frozen dataclass")
    return found


def summary(cls: type) -> str:
    """Return the first line of a class's docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


def hyperparameters(cls: type) -> dict[str, tuple[str, Any]]:
    """Return each field's type, as written, and its default."""
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

    where: what the values belong to, for messages. Raises ValueError for an unknown name (with the
    nearest known one), a wrong type, and whatever the class itself refuses.
    """
    known = {field.name for field in fields(cls)}
    hints = get_type_hints(cls)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{where}: {unknown(name, known)}")
        try:
            text = json.dumps(value, allow_nan=False)
            checked[name] = TypeAdapter(hints[name]).validate_json(text, strict=True)
        except (ValueError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ValueError(f"{where}: {name} = {value!r}: {reason.lower()}") from None
    try:
        return cls(**checked)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def unknown(name: str, known: set[str]) -> str:
    """Say that a key is unknown, and which known one is nearest."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"unknown key {name!r}; {hint}"
