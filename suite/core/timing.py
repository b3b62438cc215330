"""Time and memory of the named phases of an outer step, for `ratbench profile`.

Without a recorder a phase costs almost nothing and does not wait for the device.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter


@dataclass
class Spent:
    """Time and memory of a phase: seconds without inner phases, calls, peak memory in bytes.

    The peak is measured only for phases directly inside the outermost phase, the outer step.
    """

    seconds: float = 0.0
    calls: int = 0
    peak: int = 0


@dataclass
class Recorder:
    """Sums the time and memory of phases.

    synchronise: waits for the device; reset_peak: restarts the measurement of memory; peak: the peak in
    bytes since then.
    """

    synchronise: Callable[[], None]
    reset_peak: Callable[[], None]
    peak: Callable[[], int]
    spent: dict[str, Spent] = field(default_factory=dict)
    _inside: list[float] = field(default_factory=list)  # seconds of the phases within each open one

    @contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Record the body of the `with` statement as the phase `name`."""
        if watched := len(self._inside) == 1:  # the peak is measured for one phase at a time
            self.reset_peak()
        self.synchronise()
        started = perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            self.synchronise()
            whole = perf_counter() - started
            spent = self.spent.setdefault(name, Spent())
            spent.seconds += whole - self._inside.pop()
            spent.calls += 1
            if watched:
                spent.peak = max(spent.peak, self.peak())
            if self._inside:
                self._inside[-1] += whole


_recorder: Recorder | None = None


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Record the phases of this process in the body of the `with` statement."""
    global _recorder
    before, _recorder = _recorder, recorder
    try:
        yield
    finally:
        _recorder = before


def phase(name: str) -> AbstractContextManager[None]:
    """Name the body of the `with` statement, for a recorder."""
    return nullcontext() if _recorder is None else _recorder.record(name)
