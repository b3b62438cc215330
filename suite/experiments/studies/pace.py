"""The pace of a method: what an outer step takes, and what is prepared before the first one.

`ratbench tune` sets the number of outer steps by it, so that all methods have the same cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from time import perf_counter
from typing import Any

import torch

from suite.core.distilling.base import Resumable
from suite.core.limits import above_zero
from suite.core.spec import Budget, Distiller, Examples, Method
from suite.plugins import registry

STEPS = 12
"""Outer steps that are timed if there is time: few, so that a set that grows goes through all stages."""

STEP_SECONDS, PREPARED_SECONDS = "step_seconds", "prepared_seconds"
"""The names of what is measured."""


@dataclass(frozen=True)
class Pace:
    """Time a few outer steps of a method, and what is prepared for it, such as experts; keep no set."""

    method: str = "dm"  # a name or the path of a .py file
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    source: str = ""  # sha256 of the method's file if it is not part of RaT-Bench
    seconds: float = 6.0  # no step begins after this time; the first one is always taken

    def __post_init__(self) -> None:
        above_zero(self, "seconds")
        self.build()

    def build(self) -> Method:
        """Return the method for a run of `STEPS` steps; raises ValueError for wrong hyper-parameters."""
        values = {**self.hyperparameters, "steps": STEPS}
        made: Method = registry.configure(registry.method(self.method), values, where=f"method {self.method}")
        return made

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if the method cannot run."""
        self.build().check(train, budget)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> "_Timing":
        """Start; all is measured in one step of the study."""
        return _Timing(self, train, budget, seed)


class _Timing(Resumable):
    def __init__(self, pace: Pace, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.pace, self.train, self.budget, self.seed = 1, pace, train, budget, seed

    def step(self) -> Mapping[str, float]:
        """Run the method for a while; return seconds of an outer step and of preparation."""
        distiller = self.pace.build().start(self.train, self.budget, seed=self.seed)
        taken = [self._timed(distiller)]
        while len(taken) < distiller.steps and sum(taken) < self.pace.seconds:
            taken.append(self._timed(distiller))
        # The first step also fills caches, so that it tells little about the next ones.
        usual = taken[1:] if len(taken) > 2 else taken
        return {
            STEP_SECONDS: fmean(usual),
            PREPARED_SECONDS: distiller.cached_seconds,
            "timed_steps": len(usual),
        }

    def _timed(self, distiller: Distiller) -> float:
        started = perf_counter()
        distiller.step()
        if self.train.images.is_cuda:
            torch.cuda.synchronize(self.train.images.device)
        return perf_counter() - started
