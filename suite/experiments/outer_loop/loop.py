"""The loop over outer steps: timing, divergence, checkpoints and curves."""

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import monotonic
from typing import Any, Protocol, TypeVar

from torch import Tensor

from suite.core.execution import compiling
from suite.core.limits import Diverged
from suite.core.memory import out_of_memory
from suite.core.spec import TestSplit
from suite.experiments.outer_loop.meter import Meter
from suite.experiments.resources import Resources
from suite.records.datasets import told
from suite.records.record import Moment
from suite.records.store import Store

CURVE_POINTS = 100  # most values of each metric in a record
RECENT_STEPS = 5  # steps whose seconds tell how long the next one takes
READ_SECONDS = 1.0  # steps between reads of metrics on a GPU, since each read waits for the device


class OuterSteps(Protocol):
    """A distiller, or the measurements of a study."""

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
    """Progress and measurements of a cell with outer steps; saved with its checkpoints.

    seconds, device_seconds: of the start and the outer steps, without compiling; data: the fingerprint of
    the task's data; moments: by the budgets that are spent, the step of the snapshot that was kept, and the
    device-seconds until then.
    """

    steps: int
    step: int = 0
    seconds: float = 0.0
    device_seconds: float = 0.0
    compile_seconds: float = 0.0
    attempts: int = 0
    test_reads: int = 0  # test reads by outer steps: 0 unless the method breaks the rule
    devices: list[str] = field(default_factory=list)  # all that took part
    uncompiled: list[str] = field(default_factory=list)  # functions that did not compile, in any attempt
    recent: list[float] = field(default_factory=list)  # seconds of the last outer steps
    saving: float = 0.0  # seconds of the last checkpoint
    curve: dict[str, list[float]] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)  # the last metrics, as on the curve
    data: str = ""
    moments: dict[float, tuple[int, float]] = field(default_factory=dict)

    @property
    def needs(self) -> float:
        """The seconds of another outer step and a checkpoint, generously; 0 while unknown.

        The first steps may compile, and tell nothing about the next ones.
        """
        return 2 * (median(self.recent) + self.saving) if len(self.recent) > 2 else 0.0

    @property
    def on_curve(self) -> bool:
        """Whether the curve has the metrics of the last step."""
        return self.step % max(1, self.steps // CURVE_POINTS) == 0 or self.step == self.steps

    def add(self, metrics: Mapping[str, float]) -> None:
        """Add an outer step's metrics; raises Diverged if one is not finite."""
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise Diverged(f"{wrong[0]} is not finite at outer step {self.step}")
        values = {"step": float(self.step), "seconds": self.seconds, **metrics}
        if metrics:
            self.latest = values
        if self.on_curve:
            for name, value in values.items():
                self.curve.setdefault(name, []).append(value)

    def took(self, seconds: float) -> None:
        """Note the seconds of the last outer step."""
        self.recent = [*self.recent, seconds][-RECENT_STEPS:]

    def measured(self) -> dict[str, Any]:
        """Return what it knows for the cell's record, of steps until now."""
        points = sum(step <= self.step for step in self.curve.get("step", ()))
        return {
            "seconds": self.seconds,
            "device_seconds": self.device_seconds,
            "compile_seconds": self.compile_seconds,
            "attempts": self.attempts,
            "devices": self.devices,
            "uncompiled": self.uncompiled,
            "data": self.data,
            "curve": {name: tuple(values[:points]) for name, values in self.curve.items()},
            "moments": tuple(
                Moment(budget=budget, step=step, device_seconds=spent)
                for budget, (step, spent) in self.moments.items()
            ),
        }


def resume(
    start: Callable[[], Run], store: Store, cell: str, resources: Resources, data: str = ""
) -> tuple[Run, Trajectory]:
    """Start a run, or resume it from the cell's last checkpoint that can be loaded.

    data: the fingerprint of the task's data; a run that began on other data is not resumed.
    """
    run, begun = _started(start, resources, data)
    trajectory, reason = None, ""
    if saved := store.load_checkpoint(cell):
        try:
            run.load_state_dict(saved["state"])
            trajectory = Trajectory(**saved["trajectory"])
            if trajectory.data != data:
                reason = f"began on {told(trajectory.data)}, and the task has {told(data)} now"
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            if out_of_memory(error):
                raise  # not an error of the checkpoint
            reason = f"is damaged (the method cannot load it: {error})"
    if reason:
        store.quarantine_checkpoints(cell, reason)
        (run, begun), trajectory = _started(start, resources, data), None
    trajectory = trajectory or begun  # a run that goes on has paid for its start
    trajectory.attempts += 1
    return run, trajectory


def _started(start: Callable[[], Run], resources: Resources, data: str) -> tuple[Run, Trajectory]:
    trajectory = Trajectory(0, data=data)
    meter = Meter(resources, trajectory)
    with meter.running():
        run = start()
        resources.synchronise()
    meter.look()
    trajectory.steps = run.steps
    return run, trajectory


def take_steps(
    run: OuterSteps,
    trajectory: Trajectory,
    resources: Resources,
    *,
    save: Callable[[int, dict[str, Any]], None],
    every: float,
    careful: Callable[[], bool] = lambda: False,
    resumable: Callable[[], bool] = lambda: True,
) -> Generator[Trajectory, None, None]:
    """Take all steps of a run and yield after each; raises Diverged.

    save: writes the checkpoint of a step; called every `every` seconds, and when the iterator is closed, so
    that a run can stop after any step and lose nothing. careful: whether to wait for the device after the
    next step, whose end must be known. resumable: whether a run can go on from this step; else it is not
    saved.
    """
    saved = read = monotonic()
    kept, meter = trajectory.step, Meter(resources, trajectory)
    if (device := resources.device_name) not in trajectory.devices:
        trajectory.devices.append(device)

    def keep() -> None:
        started = monotonic()
        save(trajectory.step, {"state": run.state_dict(), "trajectory": vars(trajectory)})
        trajectory.saving = monotonic() - started

    while trajectory.step < trajectory.steps:
        reads, seconds = TestSplit.total_reads, trajectory.seconds
        with meter.running():
            metrics = run.step()
            trajectory.step += 1
            if due := trajectory.on_curve or monotonic() - read >= READ_SECONDS or careful():
                resources.synchronise()
        if monotonic() - read >= READ_SECONDS or trajectory.step == trajectory.steps:
            meter.look()
        if due:
            read = monotonic()
        trajectory.took(trajectory.seconds - seconds)
        trajectory.test_reads += TestSplit.total_reads - reads
        trajectory.uncompiled = sorted({*trajectory.uncompiled, *compiling.uncompiled()})
        known = {name: value for name, value in metrics.items() if due or not _waits(value)}
        try:
            trajectory.add({name: float(value) for name, value in known.items()})
        except Diverged as error:
            reason = run.diagnosis()
            raise Diverged(f"{error}: {reason} is not finite" if reason else str(error)) from None
        if monotonic() - saved >= every and trajectory.step < trajectory.steps and resumable():
            keep()
            saved, kept = monotonic(), trajectory.step
        try:
            yield trajectory
        except GeneratorExit:
            if kept < trajectory.step and resumable():
                keep()
            raise


def _waits(value: float | Tensor) -> bool:
    """Return whether reading a metric waits for a device."""
    return isinstance(value, Tensor) and value.is_cuda
