"""Time and memory of the phases of an outer step, measured before a long run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rich.table import Table

from suite.core.data import tasks
from suite.core.networks.named import standard
from suite.core.spec import Budget, Distiller, Method
from suite.core.timing import Recorder, Spent, recording
from suite.experiments.resources import Resources
from suite.experiments.tables.setting import toml_value
from suite.plugins import registry

REST = "the rest"

_CAPTURING = 2
"""Steps after the first in which a GPU captures CUDA graphs; they are not measured."""


@dataclass(frozen=True)
class Profile:
    """Measured outer steps.

    steps: those of each measurement; planned: all steps of a run; first: seconds of the first step, which
    fills caches and may compile; seconds: mean of an outer step; phases: measured afterwards, in steps that
    wait for the device at every phase and therefore take longer on a GPU.
    """

    device: str
    steps: int
    planned: int
    first: float
    compile: bool
    seconds: float
    phases: Mapping[str, Spent]

    @property
    def seconds_in_phases(self) -> float:
        """Mean seconds of an outer step that waits at every phase."""
        return sum(spent.seconds for spent in self.phases.values()) / self.steps


def profile(
    method: str, values: Mapping[str, Any], *, task: str, ipc: int, steps: int, resources: Resources
) -> Profile:
    """Start a method; after a first outer step, measure `steps` of them whole, then as many by phases."""
    resources.check("--cpus")
    cls = registry.method(method)
    given = {**registry.network(cls, standard(tasks.describe(task).shape)), **values}
    made: Method = registry.configure(cls, given, where=f"method {method}")
    train = tasks.load(task).train.to(resources.device)
    made.check(train, Budget(ipc))
    with resources.applied():
        return _measured(made.start(train, Budget(ipc), seed=0), steps, resources)


def _measured(distiller: Distiller, steps: int, resources: Resources) -> Profile:
    first = _seconds(distiller, 1, resources)
    left = distiller.steps - 1
    capturing = min(_CAPTURING, max(0, left - 2)) if resources.gpus else 0
    taken = min(steps, max(1, (left - capturing) // 2))
    _seconds(distiller, capturing, resources)
    seconds = _seconds(distiller, taken, resources) / taken
    recorder = Recorder(resources.synchronise, resources.reset_peak_memory, resources.peak_memory_bytes)
    with recording(recorder):
        for _ in range(taken):
            with recorder.record(REST):
                distiller.step()
    return Profile(
        resources.device_name, taken, distiller.steps, first, resources.compile, seconds, recorder.spent
    )


def _seconds(distiller: Distiller, steps: int, resources: Resources) -> float:
    """Return the seconds of some steps; the device is waited for at their end alone."""
    started = perf_counter()
    for _ in range(steps):
        distiller.step()
    resources.synchronise()
    return perf_counter() - started


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of `name=value` pairs, parsed as TOML; a bare word is a string."""
    return dict(_setting(pair) for pair in pairs)


def _setting(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise ValueError(f"--set {pair!r}: write name=value, such as window=40")
    return name.strip(), toml_value(text)


def table(found: Profile, title: str) -> Table:
    """Return the phases as a table, the longest first, and the whole step last."""
    made = Table("phase", "ms a step", "share", "calls a step", "peak MiB", title=title, title_justify="left")
    for row in _rows(found):
        made.add_row(*row)
    return made


def _rows(found: Profile) -> Iterator[tuple[str, ...]]:
    ordered = sorted(found.phases.items(), key=lambda item: (item[0] == REST, -item[1].seconds))
    for name, spent in ordered:
        yield (
            name,
            f"{1000 * spent.seconds / found.steps:.1f}",
            f"{spent.seconds / found.steps / found.seconds_in_phases:.0%}",
            f"{spent.calls / found.steps:.0f}",
            f"{spent.peak / 2**20:.0f}" if spent.peak else "",
        )
    peak = max(spent.peak for spent in found.phases.values())
    yield "all phases", f"{1000 * found.seconds_in_phases:.1f}", "100%", "", f"{peak / 2**20:.0f}"
    yield "an outer step", f"{1000 * found.seconds:.1f}", "", "1", ""


def summary(found: Profile) -> str:
    """Return what an outer step takes, how it was measured, and the expected duration of all steps."""
    hours = found.first / 3600 + found.seconds * (found.planned - 1) / 3600
    whole = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    return (
        f"{found.device}: an outer step takes {1000 * found.seconds:.1f} ms, the mean of {found.steps} outer "
        f"steps after a first one of {found.first:.1f} s "
        f"{'(compiling included)' if found.compile else '(nothing compiled)'}; "
        f"all {found.planned} take about {whole}. The phases are of {found.steps} more steps, which wait for "
        f"the device at every phase: {1000 * found.seconds_in_phases:.1f} ms each"
    )
