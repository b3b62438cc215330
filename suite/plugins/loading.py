"""Load the file of a plug-in, with the recipes and other values that it adds."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from suite.core.names import Table
from suite.core.networks.named import ARCHITECTURES
from suite.core.sets.parametrisations import PARAMETRISATIONS
from suite.core.training.augment import AUGMENTATIONS
from suite.core.training.recipes import RECIPES, Recipe

TABLES: Mapping[str, Table[Any]] = {
    "NETWORKS": ARCHITECTURES,
    "AUGMENTATIONS": AUGMENTATIONS,
    "PARAMETRISATIONS": PARAMETRISATIONS,
    "RECIPES": RECIPES,  # last: a recipe may name an augmentation of the file
}
"""Constants of a plug-in's file, and the tables to which their values are added."""


def load(path: Path) -> ModuleType:
    """Import the file of a plug-in and add its values to the tables; a file is reloaded if it has changed.

    Raises ValueError if the file does not exist or cannot be imported, and for names that are taken.
    """
    path = path.resolve()
    if not path.is_file():
        raise ValueError(f"no file {path}")
    return _load(path, path.read_bytes())


@cache
def _load(path: Path, text: bytes) -> ModuleType:
    module = ModuleType(f"ratbench_file_{path.stem}_{hashlib.sha256(text).hexdigest()[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(text, path, "exec"), vars(module))  # nosec B102 # the user's own file
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may also call exit()
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    for constant, table in TABLES.items():
        for name, value in _named(vars(module).get(constant, {}), constant, path):
            if isinstance(value, Recipe):
                value.check()
            table.add(name, value, owner=str(path))
    return module


def _named(values: Any, constant: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a dict, or of a tuple of values with names."""
    if isinstance(values, Mapping):
        yield from values.items()
        return
    key = {"RECIPES": "name", "PARAMETRISATIONS": "kind"}.get(constant)
    if key is None or not isinstance(values, tuple | list):
        raise ValueError(f"{path}: {constant} must be a {'tuple' if key else 'dict'}, not {values!r}")
    for value in values:
        yield getattr(value, key), value
