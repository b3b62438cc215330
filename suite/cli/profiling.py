"""Where an outer step's time and memory go: what one runs before a long job."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from rich.table import Table

from suite.core.data import tasks
from suite.core.engine import compiling
from suite.core.spec import Budget, Method
from suite.core.timing import Recorder, Spent, recording
from suite.experiments.device import Place
from suite.experiments.provenance import device_name, peak_memory_bytes, reset_peak_memory
from suite.plugins import registry

REST = "the rest"


@dataclass(frozen=True)
class Profile:
    """Of a few outer steps: seconds a step by phase, the first step's seconds, and the steps planned.

    The first step is left out of the phases: it fills caches, and compiles where that was allowed.
    """

    device: str
    steps: int
    planned: int
    first: float
    compile: bool
    phases: Mapping[str, Spent]

    @property
    def seconds(self) -> float:
        """Seconds of an outer step."""
        return sum(spent.seconds for spent in self.phases.values()) / self.steps


def profile(
    method: str, values: Mapping[str, Any], *, task: str, ipc: int, steps: int, place: Place
) -> Profile:
    """Start a method and record `steps` outer steps after a first one."""
    torch.set_num_threads(place.threads)
    compiling.allow(place.compile)
    made: Method = registry.configure(registry.method(method), values, where=f"method {method}")
    train = tasks.load(task).train.to(place.device)
    made.check(train, Budget(ipc))
    distiller = made.start(train, Budget(ipc), seed=0)

    def synchronise() -> None:
        if place.device.type == "cuda":
            torch.cuda.synchronize(place.device)

    recorder = Recorder(
        synchronise, lambda: reset_peak_memory(place.device), lambda: peak_memory_bytes(place.device)
    )
    started = perf_counter()
    distiller.step()
    synchronise()
    first = perf_counter() - started
    with recording(recorder):
        for _ in range(min(steps, max(1, distiller.steps - 1))):
            with recorder.record(REST):
                distiller.step()
    taken = recorder.spent[REST].calls
    return Profile(device_name(place.device), taken, distiller.steps, first, place.compile, recorder.spent)


def place(gpu: bool | None, threads: int, *, compile: bool) -> Place:
    """Return where to profile; raises ValueError where a GPU is asked for and there is none."""
    if gpu and not torch.cuda.is_available():
        raise ValueError("a GPU was asked for, and torch finds none; leave --gpu out")
    use = torch.cuda.is_available() if gpu is None else gpu
    return Place(torch.device("cuda" if use else "cpu"), threads, float(use), compile)


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of `name=value` pairs, as TOML has them; a bare word is a string."""
    return dict(_setting(pair) for pair in pairs)


def _setting(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise ValueError(f"--set {pair!r} must look like window=40")
    try:
        return name.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), text.strip()


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
            f"{spent.seconds / found.steps / found.seconds:.0%}",
            f"{spent.calls / found.steps:.0f}",
            f"{spent.peak / 2**20:.0f}" if spent.peak else "",
        )
    peak = max(spent.peak for spent in found.phases.values())
    yield "an outer step", f"{1000 * found.seconds:.1f}", "100%", "1", f"{peak / 2**20:.0f}"


def summary(found: Profile) -> str:
    """Say what the planned steps would take."""
    hours = found.first / 3600 + found.seconds * (found.planned - 1) / 3600
    whole = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    return (
        f"{found.device}: mean of {found.steps} outer steps after a first one of {found.first:.1f} s "
        f"{'(compiling included)' if found.compile else '(nothing compiled)'}; "
        f"all {found.planned} take about {whole}"
    )
