"""Grid files: where they are, and one on top of another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.core.files.documents import read_toml
from suite.core.names import did_you_mean
from suite.experiments.tuning.settings_file import ENDING

FOLDER = Path(__file__).parents[2] / "grids"


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


def read(path: Path) -> dict[str, Any]:
    """Return the tables of a grid file; raises ValueError if it, or one that it is based on, is none.

    Its keys replace those of the grid that `base` names, and its rows, evaluators and studies those of their
    names; `false` leaves one out. `settings` is then an absolute path.
    """
    return _read(path, ())


def _read(path: Path, before: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in before:
        raise ValueError(f"{path}: base: the grid is based on itself")
    try:
        table = read_toml(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if (settings := table.get("settings")) and isinstance(settings, str):
        table["settings"] = str(path.parent.resolve() / settings)
    if (base := table.pop("base", None)) is None:
        return table
    try:
        file = locate(str(path.parent / str(base)) if str(base).endswith(".toml") else str(base))
    except ValueError as error:
        raise ValueError(f"{path}: base: {error}") from None
    under = _read(file, (*before, path.resolve()))
    for key in ("method", "evaluator", "study"):
        if isinstance(table.get(key), dict):
            table[key] = _over(under.get(key, {}), table[key], f"{path}: {key}")
    return {**under, **table}


def _over(under: Mapping[str, Any], rows: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return rows on top of others; raises ValueError if one that is left out is not among these."""
    for name, row in rows.items():
        if row is False and name not in under:
            raise ValueError(f"{where}.{name} = false: its base has no such row; {did_you_mean(name, under)}")
    return {name: row for name, row in {**under, **rows}.items() if row is not False}


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in FOLDER.glob("*/*.toml") if not path.name.endswith(ENDING)}
