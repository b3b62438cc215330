"""Outer steps of DC, DM and MTT against loops after their authors' code, and where the time of ours goes.

    python -m tests.benchmarks.gpu.authors dc dm mtt

Both sides take some steps in a row, as a run does: the host draws a step while the device computes another.
"""

import argparse
import time

import torch

from suite.core.execution import compiling
from tests.benchmarks import matching, timing, trajectory
from tests.benchmarks.gpu.book import TINY, Book
from tests.benchmarks.gpu.engine import profiled
from tests.benchmarks.timing import Step

IPCS = (1, 10)
ROW = 2 if TINY else 5


def sides(method: str, ipc: int, device: torch.device) -> dict[str, Step]:
    """Return the authors' step and ours."""
    if method == "mtt":
        shape = trajectory.SHAPES["tiny" if TINY else f"cifar10-ipc{ipc}"]
        return {"loop": trajectory.plain(shape, device), "ours": trajectory.ours(shape, device)}
    problem = matching.Problem(matching.SHAPES["tiny" if TINY else f"paper-ipc{ipc}"], device)
    if method == "dc":
        return {"loop": problem.gradient_loop(), "ours": problem.dc().step}
    return {"loop": problem.distribution_loop(), "ours": problem.dm().step}


def main() -> None:
    """Compile all, wait for the turn, measure one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="+", choices=["dc", "dm", "mtt"])
    parser.add_argument("--name", default="authors")
    given = parser.parse_args()
    book, device, ready = Book(given.name), timing.device(1), dict[str, dict[str, Step]]()
    compiling.allow(not TINY)
    began = time.perf_counter()
    for method in given.methods:
        for ipc in IPCS:
            with book.attempt(key := f"{method} ipc {ipc}"):
                ready[key] = sides(method, ipc, device)
                ready[key]["ours"]()
    book.put("ready after seconds, compiled", time.perf_counter() - began)
    until = book.turn()
    for key, steps in ready.items():
        with book.attempt(key):
            rows = {name: lambda step=step: [step() for _ in range(ROW)] for name, step in steps.items()}
            for found in timing.rounds(rows, device, 2 if TINY else 7, until=until):
                book.put(key, {"steps in a row": ROW, **found})
            book.put(f"{key}: profile", profiled(steps["ours"], device))
    book.put("measured", True)


if __name__ == "__main__":
    main()
