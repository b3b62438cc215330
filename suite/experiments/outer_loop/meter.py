"""What a run spends: seconds of its work, device-seconds, and seconds of compiling apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Protocol

from suite.core.execution import compiling, cpu_time
from suite.experiments.resources import Resources


class Spent(Protocol):
    """Wall time of a run's work without compiling, its device-seconds, and those of compiling."""

    seconds: float
    device_seconds: float
    compile_seconds: float


class Meter:
    """Adds sections of work in this process to what a run has spent.

    A section is charged by its wall time, so that sleeping counts. On a CPU it is charged by its CPU time if
    that is more: that of all threads, and of all processes that the run started.
    """

    def __init__(self, resources: Resources, run: Spent) -> None:
        self.resources, self.run = resources, run
        self._seconds = self._cpu = self._helped = self._charged = 0.0
        self._before = self._of_helpers()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add a section."""
        started, cpu = perf_counter(), process_time()
        compiled, compiled_cpu = compiling.spent.seconds, compiling.spent.cpu_seconds
        try:
            yield
        finally:
            apart = compiling.spent.seconds - compiled
            seconds = perf_counter() - started - apart
            self._seconds += seconds
            self._cpu += process_time() - cpu - (compiling.spent.cpu_seconds - compiled_cpu)
            self.run.seconds += seconds
            self.run.compile_seconds += self.resources.charged(apart)
            self._charge()

    def look(self) -> None:
        """Add what processes that the run started have done since, also beside its sections."""
        self._helped = self._of_helpers() - self._before
        self._charge()

    def _charge(self) -> None:
        total = self.resources.charged(self._seconds)
        if not self.resources.gpus:
            total = max(total, self._cpu + self._helped)
        self.run.device_seconds += total - self._charged
        self._charged = total

    def _of_helpers(self) -> float:
        return 0.0 if self.resources.gpus else cpu_time.ended() + cpu_time.running()
