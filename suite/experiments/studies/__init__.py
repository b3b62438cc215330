"""Studies: measurements over outer steps that make no set. A grid runs one by a table `[study.NAME]`."""

from collections.abc import Mapping
from typing import Protocol

from suite.core.names import did_you_mean
from suite.core.spec import Budget, Examples
from suite.experiments.cells.loop import OuterSteps
from suite.experiments.studies.gradient_study import GradientStudy


class Measurement(Protocol):
    """A study: a frozen dataclass whose fields are its settings."""

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if these settings do not fit `train` or the budget."""
        ...

    def start(self, train: Examples, budget: Budget, *, seed: int) -> OuterSteps:
        """Start on the device where `train` lies."""
        ...


STUDIES: Mapping[str, type[Measurement]] = {"gradient_study": GradientStudy}


def find(name: str) -> type[Measurement]:
    """Return the study called `name`; raises ValueError for an unknown one."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}; {did_you_mean(name, STUDIES)}")
    return STUDIES[name]
