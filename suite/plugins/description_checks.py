"""The checks that methods and evaluators share: how they describe themselves."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from suite.core.distilling.base import is_frozen
from suite.plugins import registry


def described(cls: type, members: Iterable[str], base: str = "") -> str:
    """Return what is wrong with a class that should be a documented frozen dataclass with these members."""
    if not is_frozen(cls):
        return f"decorate {cls.__name__} with @dataclass(frozen=True)"
    if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):
        return f"give {cls.__name__} a docstring; lists show its first line"
    if missing := [name for name in members if not hasattr(cls, name)]:
        inherit = f", or inherit {base}" if base else ""
        return f"define {', '.join(missing)}{inherit}; suite.core.spec says what each is"
    title = vars(cls).get("title", "")
    return (
        "" if isinstance(title, str) and "\n" not in title else f"title is {title!r}; give one line of text"
    )


def misnamed(cls: type, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is wrong with tables of settings, by their names, each checked as a grid's is."""
    for name, values in tables.items():
        try:
            made = registry.configure(cls, values, where=name)
        except ValueError as error:
            return str(error)
        stored = json.loads(json.dumps(dataclasses.asdict(made), allow_nan=False))
        if registry.configure(cls, stored, where=f"{name}, as JSON") != made:
            return f"{name}: the settings differ after a round trip through JSON; use plain values and tuples"
    return ""
