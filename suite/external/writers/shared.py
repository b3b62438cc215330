"""What is told to others of a set: data and files of this machine by their names, without their paths."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.core.data.reading.hf import PATHS


def shared_task(name: str) -> str:
    """Return a task's name for others.

    >>> shared_task("folder:/home/ada/pets?size=32"), shared_task("hf:owner/pets")
    ('folder:pets?size=32', 'hf:owner/pets')
    """
    form, colon, rest = name.partition(":")
    path, mark, options = rest.partition("?")
    if form not in ("folder", "hf") or (form == "hf" and not path.startswith(PATHS)):
        return name
    return f"{form}{colon}{Path(path).expanduser().resolve().name}{mark}{options}"


def shared_trial(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trial's cell in a manifest as JSON for others, from which its id cannot be computed.

    {} for a set that was saved by hand.
    """
    trial = manifest.get("trial")
    if not isinstance(trial, dict):
        return {}
    made = dict(trial)
    if isinstance(task := trial.get("task"), str):
        made["task"] = shared_task(task)
    if isinstance(method := trial.get("method"), str) and method.endswith(".py"):
        made["method"] = Path(method).name
    return made
