"""The loop over outer steps, which the harness owns: timing, divergence, checkpoints, curves."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from suite.core.limits import Diverged
from suite.core.spec import TestSplit
from suite.experiments.resources import Resources
from suite.records.store import Store

CURVE_POINTS = 100  # values of each metric in a record
READ_SECONDS = 1.0  # between readings of metrics on a GPU, each of which waits for the device


class OuterSteps(Protocol):
    """What the loop drives: a distiller, or a study's measurements."""

    steps: int
    cached_seconds: float

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step and return its metrics."""
        ...

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step, or nothing."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


Run = TypeVar("Run", bound=OuterSteps)


@dataclass
class Trajectory:
    """Progress and measurements of a trial or study; saved with its checkpoints."""

    steps: int
    step: int = 0
    seconds: float = 0.0
    attempts: int = 0
    test_reads: int = 0  # by outer steps: 0 unless the method goes behind the harness's back
    curve: dict[str, list[float]] = field(default_factory=dict)

    @property
    def on_curve(self) -> bool:
        """Whether the last step's metrics belong to the curve."""
        return self.step % max(1, self.steps // CURVE_POINTS) == 0 or self.step == self.steps

    def add(self, metrics: Mapping[str, float]) -> None:
        """Add an outer step's metrics; raises Diverged where one is not finite."""
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise Diverged(f"{wrong[0]} is not finite at outer step {self.step}")
        if self.on_curve:
            for name, value in {"step": float(self.step), "seconds": self.seconds, **metrics}.items():
                self.curve.setdefault(name, []).append(value)


def resume(start: Callable[[], Run], store: Store, cell: str) -> tuple[Run, Trajectory]:
    """Start a run, from the last checkpoint of the cell if there is one that it can load."""
    run = start()
    trajectory = Trajectory(run.steps)
    if saved := store.load_checkpoint(cell):
        try:
            run.load_state_dict(saved["state"])
            trajectory = Trajectory(**saved["trajectory"])
        except torch.OutOfMemoryError:
            raise  # which is no fault of the checkpoint
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            store.quarantine_checkpoints(cell, f"the method cannot load it: {error}")
            run = start()
    trajectory.attempts += 1
    return run, trajectory


def take_steps(
    run: OuterSteps,
    trajectory: Trajectory,
    resources: Resources,
    *,
    save: Callable[[int, dict[str, Any]], None],
    every: float,
) -> Iterator[Trajectory]:
    """Take all steps of a run and yield after each; raises Diverged.

    save: writes the checkpoint of a step; called every `every` seconds.
    """
    saved = read = monotonic()
    while trajectory.step < trajectory.steps:
        started, before = perf_counter(), TestSplit.total_reads
        metrics = run.step()
        trajectory.test_reads += TestSplit.total_reads - before
        trajectory.step += 1
        due = trajectory.on_curve or monotonic() - read >= READ_SECONDS
        known = {name: value for name, value in metrics.items() if due or not _waits(value)}
        if due:
            resources.synchronise()
            read = monotonic()
        trajectory.seconds += perf_counter() - started
        try:
            trajectory.add({name: float(value) for name, value in known.items()})
        except Diverged as error:
            reason = run.diagnosis()
            raise Diverged(f"{error}: {reason} is not finite" if reason else str(error)) from None
        if monotonic() - saved >= every and trajectory.step < trajectory.steps:
            save(trajectory.step, {"state": run.state_dict(), "trajectory": vars(trajectory)})
            saved = monotonic()
        yield trajectory


def _waits(value: float | Tensor) -> bool:
    """Return whether reading a metric waits for a device."""
    return isinstance(value, Tensor) and value.is_cuda
