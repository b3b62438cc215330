"""The loop around a distiller, which the harness owns: timing, divergence, checkpoints, curves."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

from suite.core.spec import Distiller

CURVE_POINTS = 100  # how many values of each metric a record keeps


class Diverged(Exception):
    """A loss or an image is not finite: the trial ends, and trying again would not help."""


@dataclass
class Trajectory:
    """How far a trial has come; saved with its checkpoints."""

    steps: int
    step: int = 0
    seconds: float = 0.0
    borrowed: float = 0.0  # seconds of cached work that an earlier trial paid for
    attempts: int = 0
    curve: dict[str, list[float]] = field(default_factory=dict)

    def add(self, metrics: Mapping[str, float], seconds: float) -> None:
        """Take in one outer step; raises Diverged where a metric is not finite."""
        self.step += 1
        self.seconds += seconds
        self.borrowed += metrics.get("borrowed_seconds", 0.0)
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise Diverged(f"{wrong[0]} is not finite at outer step {self.step}")
        if self.step % max(1, self.steps // CURVE_POINTS) == 0 or self.step == self.steps:
            for name, value in {"step": float(self.step), "seconds": self.seconds, **metrics}.items():
                self.curve.setdefault(name, []).append(value)


def distil(
    distiller: Distiller,
    trajectory: Trajectory,
    *,
    synchronise: Callable[[], None],
    save: Callable[[dict[str, Any]], None],
    every: float,
) -> Iterator[Trajectory]:
    """Step a distiller to its end and yield after each step.

    save: gets a checkpoint about `every` so many seconds; synchronise: waits for the device.
    """
    saved = monotonic()
    while trajectory.step < trajectory.steps:
        started = perf_counter()
        metrics = distiller.step()
        synchronise()
        trajectory.add(metrics, perf_counter() - started)
        if monotonic() - saved >= every and trajectory.step < trajectory.steps:
            save({"distiller": distiller.state_dict(), "trajectory": vars(trajectory)})
            saved = monotonic()
        yield trajectory
