"""Measures on a CPU how peak memory grows with the window, in a process of its own for each scheme.

    python -m tests.benchmarks.memory --windows 8 40 200 --output results/measurements/memory-cpu.json
    python -m tests.benchmarks.memory --scheme official --windows 2 6 --output …/memory-official-cpu.json

Width 128, 32x32x3, 100 synthetic images, one chunk of real ones; nothing is compiled, as a compiler's
own memory would hide the engine's.
"""

import argparse
import json
import resource
from collections.abc import Sequence
from pathlib import Path

import torch

from suite.core.execution import compiling
from tests.benchmarks import timing
from tests.benchmarks.outer_step import Problem, Shape


def peaks(scheme: str, windows: Sequence[int]) -> list[int]:
    """Return the process's peak memory in bytes after an outer step with each window, in this order."""
    compiling.allow(False)
    found = []
    for window in windows:
        shape = Shape(width=128, shape=(3, 32, 32), images=100, before=1, window=window, real=32, train=100)
        problem = Problem(shape, torch.device("cpu"))
        run = problem.official("float32") if scheme == "official" else problem.engine("float32")
        run.step()
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheme", choices=["engine", "official"], default="engine")
    parser.add_argument("--windows", type=int, nargs="+", default=[8, 40])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    windows = sorted(given.windows)
    found = peaks(given.scheme, windows)
    measured = {
        "provenance": timing.machine(torch.device("cpu")),
        "scheme": given.scheme,
        "peak_bytes": dict(zip(windows, found, strict=True)),
        "bytes_per_window_step": (found[-1] - found[0]) / max(1, windows[-1] - windows[0]),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
