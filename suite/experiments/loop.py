"""The loop around a distiller, which the harness owns: timing, divergence, checkpoints, curves."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from suite.core.spec import Distiller, TestSplit

CURVE_POINTS = 100  # how many values of each metric a record keeps
READ_SECONDS = 1.0  # metrics on a GPU are read about so often: each read waits for the device


class Diverged(Exception):
    """A loss or an image is not finite: the trial ends, and trying again would not help."""


@runtime_checkable
class HasDiagnosis(Protocol):
    """A distiller that can say what went wrong in its last step."""

    def diagnosis(self) -> str:
        """Name what is not finite, or nothing."""
        ...


@runtime_checkable
class HasMilestones(Protocol):
    """A distiller that has a finished set before its last step: each is kept, should the run be cut short."""

    @property
    def milestones(self) -> Collection[int]:
        """Outer steps after which there is one."""
        ...


@dataclass
class Trajectory:
    """How far a trial has come; saved with its checkpoints."""

    steps: int
    step: int = 0
    seconds: float = 0.0
    cached_seconds: float = 0.0  # seconds of cached work that an earlier trial paid for
    attempts: int = 0
    test_reads: int = 0  # by outer steps: 0 unless the method goes behind the harness's back
    curve: dict[str, list[float]] = field(default_factory=dict)

    @property
    def on_curve(self) -> bool:
        """Whether the last step's metrics belong to the curve."""
        return self.step % max(1, self.steps // CURVE_POINTS) == 0 or self.step == self.steps

    def add(self, metrics: Mapping[str, float]) -> None:
        """Take in an outer step's metrics; raises Diverged where one is not finite."""
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise Diverged(f"{wrong[0]} is not finite at outer step {self.step}")
        if self.on_curve:
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
    saved = read = monotonic()
    while trajectory.step < trajectory.steps:
        started, opened = perf_counter(), TestSplit.opened
        metrics = distiller.step()
        trajectory.cached_seconds = distiller.cached_seconds
        trajectory.test_reads += TestSplit.opened - opened
        trajectory.step += 1
        due = trajectory.on_curve or monotonic() - read >= READ_SECONDS
        known = {name: value for name, value in metrics.items() if due or not _waits(value)}
        if due:
            synchronise()
            read = monotonic()
        trajectory.seconds += perf_counter() - started
        try:
            trajectory.add({name: float(value) for name, value in known.items()})
        except Diverged as error:
            reason = distiller.diagnosis() if isinstance(distiller, HasDiagnosis) else ""
            raise Diverged(f"{error}: {reason} is not finite" if reason else str(error)) from None
        if monotonic() - saved >= every and trajectory.step < trajectory.steps:
            save({"distiller": distiller.state_dict(), "trajectory": vars(trajectory)})
            saved = monotonic()
        yield trajectory


def _waits(value: float | Tensor) -> bool:
    """Return whether reading a metric waits for a device."""
    return isinstance(value, Tensor) and value.is_cuda
