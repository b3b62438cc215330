"""An outer step of RaT-BPTT at one shape and precision: against the official scheme, and where its time goes.

    python -m tests.benchmarks.gpu.engine cifar10-ipc1 --measure official graphs networks profile

Variants: `kept` keeps all activations, whatever their size; `layout` compiles channels-last where the engine
does not, and conversely; `patches` makes all convolutions products with patches; `tuned` lets cuDNN choose
its algorithms by measuring them, on both sides (a process keeps what cuDNN has chosen); `halves` takes real
images in chunks of half the size; `merged` computes sums of two convolutions as one.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity

from suite.core.engine import classification
from suite.core.execution import compiling
from suite.core.networks import layers
from suite.core.networks.layers import Lowering
from suite.core.precision import Precision
from suite.plugins.methods.rat_bptt import RaTBPTTDistiller
from tests.benchmarks import timing
from tests.benchmarks.gpu.book import TINY, Book
from tests.benchmarks.gpu.merged import merging
from tests.benchmarks.gpu.smokes import captures, difference, uncaptured
from tests.benchmarks.outer_step import GREY, SHAPES, Problem, Shape

PAIRS, NETWORKS = 7, (1, 2, 4, 8)
RUN = {"before": 40, "window": 20, "real": 1024}  # the steps of the runs at the end of a session
ALL_SHAPES = {
    **SHAPES,
    **{f"run-fashion-mnist-ipc{ipc}": Shape(128, GREY, 10 * ipc, **RUN, train=60_000) for ipc in (1, 10)},
    **{f"run-cifar10-jpeg-ipc{ipc}": Shape(128, (3, 32, 32), 10 * ipc, **RUN) for ipc in (1, 10)},
}


@contextmanager
def variant(name: str) -> Iterator[None]:
    """Change how inner steps are made, for comparison."""
    of_graph = compiling._uses_tensor_cores
    changes: dict[str, list[AbstractContextManager[object]]] = {
        "kept": [patch.object(classification, "max_kept_bytes", lambda device, window: 2**40)],
        "layout": [patch.object(compiling, "_uses_tensor_cores", lambda graph: not of_graph(graph))],
        "patches": [
            patch.object(classification, "Lowering", lambda **how: Lowering(**{**how, "patches": True})),
            *(patch.object(layers, limit, 2**30) for limit in ("_FEW", "_NARROW")),
        ],
        "tuned": [patch.object(torch.backends.cudnn, "benchmark", True)],
        "merged": [merging()],
        "halves": [patch.dict(classification.CHUNK, cuda=classification.CHUNK["cuda"] // 2)],
    }
    with ExitStack() as stack:
        for change in changes.get(name, ()):
            stack.enter_context(change)
        yield


class Measurement:
    """What is measured of a run, while its part may use the device alone."""

    def __init__(
        self, book: Book, problem: Problem, run: RaTBPTTDistiller, *, until: float, reserved: int
    ) -> None:
        """Create. reserved: bytes of memory before the run was started."""
        self.book, self.problem, self.run, self.until = book, problem, run, until
        self.reserved = reserved
        self.precision, self.device = run.method.precision, run.train.images.device

    def engine(self) -> None:
        """Measure the engine's step, and steps in a row, for which the host does not wait."""
        with captures() as pools:
            self._rounds("engine", {"engine": self.run.step}, 5)
        self.book.put("programs captured", len(pools))
        self.book.put("memory beside the data: bytes", reserved() - self.reserved)
        row = 2 if TINY else 10
        taken = timing.seconds(lambda: [self.run.step() for _ in range(row)], self.device)
        self.book.put("seconds a step, in a row", taken / row)

    def official(self) -> None:
        """Measure in turn with the official scheme."""
        official = self.problem.official(self.precision)
        self._rounds(
            "against the official scheme", {"official": official.step, "engine": self.run.step}, PAIRS
        )

    def graphs(self) -> None:
        """Measure in turn with steps without CUDA graphs; compare meta-gradients, also with a run again."""
        first, again, plain = (self._other(outer_lr=1e-12) for _ in range(3))  # the images stay equal
        without = uncaptured()(plain.step)
        for _ in range(4):
            for step in (first.step, again.step, without):
                step()
        for name, other in (("without graphs", plain), ("again", again)):
            found = difference(*({"": run.last.gradients[0]} for run in (first, other)))
            self.book.put(f"difference {name}, meta-gradient of step 4", found)
        self._rounds("without graphs", {"without_graphs": without, "engine": first.step}, 5)

    def networks(self) -> None:
        """Measure steps of several inner networks side by side."""
        for count in NETWORKS[:2] if TINY else NETWORKS:
            found = self._rounds(f"{count} networks", {"engine": self._other(networks=count).step}, 5)
            self.book.put(f"{count} networks: seconds a network", found["engine_seconds"]["median"] / count)

    def profile(self) -> None:
        """Count kernels, and the share of a step in which the device is busy; name the longest kernels."""
        for _ in range(3):
            self.run.step()
        whole = timing.seconds(self.run.step, self.device)
        self.book.put("profile", {"seconds unprofiled": whole, **profiled(self.run.step, self.device)})

    def _other(self, **changes: Any) -> RaTBPTTDistiller:
        """Return another run with the same compiled parts, and CUDA graphs of its own."""
        made = started(self.problem, self.precision, **changes)
        made.inner = copy(self.run.inner)
        vars(made.inner).pop("captured", None)
        return made

    def _rounds(self, key: str, sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, Any]:
        last, count = dict[str, Any](), 2 if TINY else repeats
        for last in timing.rounds(sides, self.device, count, precision=self.precision, until=self.until):
            self.book.put(key, last)
        return last


def started(problem: Problem, precision: Precision, **changes: Any) -> RaTBPTTDistiller:
    """Return a run of the engine."""
    run = problem.engine(precision, **changes)
    assert isinstance(run, RaTBPTTDistiller)
    return run


def reserved() -> int:
    """Return the bytes of a GPU's memory that this process has taken; 0 on a CPU."""
    return torch.cuda.memory_reserved() if torch.cuda.is_initialized() else 0


def profiled(step: Callable[[], object], device: torch.device) -> dict[str, object]:
    """Return the number of a step's kernels and copies, their time, and the longest by name."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with torch.profiler.profile(activities=activities) as found:
        timing.seconds(step, device)
    events = [event for event in found.events() if event.device_type.name == device.type.upper()]
    by_name = dict[str, list[float]]()
    for event in events:
        by_name.setdefault(event.name[:90], []).append(event.time_range.elapsed_us() / 1000)
    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:15]
    return {
        "kernels and copies": len(events),
        "busy ms": busy([(event.time_range.start, event.time_range.end) for event in events]) / 1000,
        "sum ms": sum(map(sum, by_name.values())),
        "longest: name, calls, ms": [[name, len(times), sum(times)] for name, times in longest],
    }


def busy(spans: list[tuple[float, float]]) -> float:
    """Return the length of the union of time spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def shape_of(name: str) -> Shape:
    """Return the shape of this name; in a rehearsal a tiny one."""
    shape = ALL_SHAPES[name]
    return replace(shape, width=4, before=2, window=3, real=16, train=200) if TINY else shape


def main() -> None:
    """Compile, wait for the turn, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=ALL_SHAPES)
    parser.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    variants = ["kept", "layout", "patches", "tuned", "halves", "merged"]
    parser.add_argument("--variant", choices=["", *variants], default="")
    parser.add_argument(
        "--measure", nargs="*", choices=["official", "graphs", "networks", "profile"], default=[]
    )
    parser.add_argument("--name", default="engine")
    given = parser.parse_args()
    book, device = Book(given.name), timing.device(1)
    compiling.allow(not TINY)
    precision: Precision = (
        "float32" if device.type == "cpu" and given.precision == "tf32" else given.precision
    )
    with variant(given.variant):
        began, problem = time.perf_counter(), Problem(shape_of(given.shape), device)
        before, run = reserved(), started(problem, precision)
        run.step()
        book.put("ready after seconds, compiled", time.perf_counter() - began)
        measurement = Measurement(book, problem, run, until=book.turn(), reserved=before)
        for name in ("engine", *given.measure):
            with book.attempt(name):
                getattr(measurement, name)()
    book.put("measured", True)


if __name__ == "__main__":
    main()
