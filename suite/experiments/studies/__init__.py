"""Studies: measurements over outer steps that produce no set. The table `[study.NAME]` of a grid runs one."""

from collections.abc import Mapping
from typing import Protocol

from suite.core.names import did_you_mean
from suite.core.spec import Budget, Examples
from suite.experiments.outer_loop.loop import OuterSteps
from suite.experiments.studies.gradient_study import GradientStudy
from suite.experiments.studies.pace import Pace


class Measurement(Protocol):
    """A study: a frozen dataclass whose fields are its settings."""

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if the settings do not fit `train` or the budget."""
        ...

    def start(self, train: Examples, budget: Budget, *, seed: int) -> OuterSteps:
        """Start on the device of `train`."""
        ...


STUDIES: Mapping[str, type[Measurement]] = {"gradient_study": GradientStudy, "pace": Pace}


def find(name: str) -> type[Measurement]:
    """Return the study named `name`; raises ValueError for an unknown name."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}; {did_you_mean(name, STUDIES)}")
    return STUDIES[name]
