"""What is told to others of a set: data and files of this machine by their names, without their paths."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from suite.core.data.reading import hf


def shared_task(name: str) -> str:
    """Return a task's name for others.

    >>> shared_task("folder:/home/ada/pets?size=32"), shared_task("hf:owner/pets")
    ('folder:pets?size=32', 'hf:owner/pets')
    """
    form, colon, rest = name.partition(":")
    path, mark, options = rest.partition("?")
    if form not in ("folder", "hf") or (form == "hf" and not hf.is_local(path)):
        return name
    return f"{form}{colon}{PurePath(path).name}{mark}{options}"


def shared_trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's cell as JSON for others; it is no longer the one from which its id is computed."""
    named = {"task": shared_task, "method": lambda method: PurePath(method).name}
    changed = {key: name(trial[key]) for key, name in named.items() if isinstance(trial.get(key), str)}
    return {**trial, **changed}
