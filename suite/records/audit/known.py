"""What is known of the tasks of a store: from the catalogue, and from the data on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from suite.core.data.catalogue import CATALOGUE
from suite.core.names import HOLDOUT


@dataclass(frozen=True)
class TaskFacts:
    """Facts about a task. shape: of an image; test: number of test images, 0 if unknown.

    The others are those of its data on this machine, empty if unknown. data: the fingerprints by this release
    and by earlier ones; preprocessing: as a manifest describes it.
    """

    classes: int
    shape: tuple[int, ...]
    test: int = 0
    data: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


Ask = Callable[[str], TaskFacts | str]
"""Gives the facts of a task from its data on this machine, or why there are none."""


def nothing(name: str) -> str:
    """Return why data are not compared: an `Ask` that knows no task."""
    return "no data were compared"


class Tasks:
    """The tasks of a store, each asked for once. unknown: why the data of a task were not compared."""

    def __init__(self, ask: Ask = nothing) -> None:
        self._ask, self._known, self.unknown = ask, dict[str, TaskFacts | None](), dict[str, str]()

    def __getitem__(self, name: str) -> TaskFacts | None:
        """Return what is known of a task; None if nothing is."""
        if name not in self._known:
            answer = self._ask(name)
            if isinstance(answer, str):
                self.unknown[name] = answer
            self._known[name] = _catalogued(name) if isinstance(answer, str) else answer
        return self._known[name]


def _catalogued(name: str) -> TaskFacts | None:
    info = CATALOGUE.get(name.removesuffix(HOLDOUT))
    if info is None:
        return None
    return TaskFacts(info.classes, info.shape, 0 if name.endswith(HOLDOUT) else info.test)
