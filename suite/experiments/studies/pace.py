"""The pace of a method: the seconds of an outer step, and of what is prepared before the first one.

`ratbench tune` sets the number of outer steps by it, so that all methods have the same cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from statistics import fmean
from time import perf_counter
from typing import Any

import torch

from suite.core.distilling.base import Resumable
from suite.core.limits import above_zero
from suite.core.spec import Budget, Examples, Method
from suite.plugins import registry

STEPS = 12
"""Outer steps of a whole short run. There are few, so that a set that grows goes through all its stages."""

SHARE = 0.05
"""Share of a run's seconds after which no further step of a timed run begins; two are always taken."""

FASTER = 4
"""By which factor compiling makes an outer step faster at the most, roughly."""

STEP, FIRST, PREPARED = "step_seconds", "first_seconds", "prepared_seconds"
"""What is measured: seconds of an outer step, what the first one takes more, and those of preparation."""


@dataclass(frozen=True)
class Pace:
    """Time a few outer steps of a method, and what is prepared for it, such as experts; keep no set.

    A first run is short, and probably nothing is compiled for it. The next ones begin with the same steps and
    are stopped: one so long that its steps are compiled if any are, and one of as many steps as fit into
    `seconds` at the pace of that.
    """

    method: str = "dm"  # a name or the path of a .py file
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    source: str = ""  # sha256 of the method's file if it is not part of RaT-Bench
    seconds: float = 60.0  # of a run whose length is to be found

    def __post_init__(self) -> None:
        above_zero(self, "seconds")
        self.build(STEPS)

    def build(self, steps: int) -> Method:
        """Return the method for a run of some outer steps; raises ValueError for wrong hyper-parameters."""
        values = {**self.hyperparameters, "steps": steps}
        made: Method = registry.stored(registry.method(self.method), values, where=f"method {self.method}")
        return made

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if the method cannot run."""
        self.build(STEPS).check(train, budget)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> "_Timing":
        """Start; all is measured in one step of the study."""
        return _Timing(self, train, budget, seed)


class _Timing(Resumable):
    def __init__(self, pace: Pace, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.pace, self.train, self.budget, self.seed = 1, pace, train, budget, seed

    def step(self) -> Mapping[str, float]:
        """Run the method for a while, and return what `STEP`, `FIRST` and `PREPARED` name."""
        short, prepared = self._run(STEPS)
        mean = fmean(short[1:])
        self._run(self._fitting(mean / FASTER))  # compiles; later runs find the result on disk
        long, _ = self._run(self._fitting(mean / FASTER))
        planned, _ = self._run(self._fitting(fmean(long[1:])))
        alike = min(len(short), len(planned))
        step = mean * sum(planned[1:alike]) / sum(short[1:alike])
        return {STEP: step, FIRST: max(0.0, planned[0] - step), PREPARED: prepared}

    def _fitting(self, step: float) -> int:
        """Return how many outer steps of `step` seconds fit into the run, at least those of a short run."""
        return max(STEPS, ceil(self.pace.seconds / step))

    def _run(self, steps: int) -> tuple[list[float], float]:
        """Begin a run of `steps` outer steps; return the seconds of each, and those of preparation."""
        started = perf_counter()
        distiller = self.pace.build(steps).start(self.train, self.budget, seed=self.seed)
        prepared = perf_counter() - started + distiller.cached_seconds
        taken: list[float] = []
        while len(taken) < 2 or (len(taken) < STEPS and sum(taken[1:]) < SHARE * self.pace.seconds):
            started = perf_counter()
            distiller.step()
            if self.train.images.is_cuda:
                torch.cuda.synchronize(self.train.images.device)
            taken.append(perf_counter() - started)
        return taken, prepared
