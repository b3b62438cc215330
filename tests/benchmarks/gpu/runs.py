"""Runs of RaT-BPTT that fill the seconds that are left, all at once on one GPU.

    python -m tests.benchmarks.gpu.runs fashion-mnist cifar10-jpeg

A run is a store with its grid, packed into one archive in $OUT, again and again while it runs. An archive of
an earlier session in gpu-pack/stores goes on under the grid that lies in it. A new grid has $STEPS outer
steps, or as many as fit by the seconds of a step that this session measured.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

from suite.core.data.tasks import load
from tests.benchmarks.gpu.archived import LEFT_FOR_PACKING, Archived, wait
from tests.benchmarks.gpu.book import END_AT, TINY, WORK, Book, numbers
from tests.benchmarks.gpu.engine import RUN

IPCS = (1, 10)
OVERHEAD = 8.0 if TINY else 60.0  # seconds of a run to start, compile, and retrain
GUESSED, FEWEST = 0.2, 200  # seconds of a step that was not measured; steps that are worth compiling
LONGEST = 3600.0

GRID = """# Fills the seconds of a session: tests/benchmarks/gpu/runs.py
title = "RaT-BPTT in {seconds:.0f} seconds of a GPU shared by {shared}"
tasks = ["{task}"]
ipc = [{ipc}]
seeds = [0]
{network}
[method.rat_bptt]
steps = {steps}
unroll = {unroll}
window = {window}
real_batch = {real}
outer_lr = 0.003
precision = "{precision}"

[evaluator.retrain]
recipe = {recipes}
copies = {copies}
"""


@dataclass
class Run(Archived):
    """A run of one task and size."""

    task: str = ""
    ipc: int = 1

    @classmethod
    def of(cls, task: str, ipc: int, folder: Path) -> "Run":
        """Return the run of a task and size, in its folder below `folder`."""
        name = f"{task}-ipc{ipc}"
        return cls(name, folder / name, task=task, ipc=ipc)

    def step_seconds(self) -> float:
        """Return the seconds of an outer step alone on the device, as measured in this session."""
        found = numbers().get(f"run {self.task} ipc{self.ipc}", {}).get("engine", {})
        return float(found.get("engine_seconds", {}).get("median", GUESSED))

    def prepare(self, earlier: Path, seconds: float, shared: int) -> str:
        """Keep the grid that is there, unpack an earlier archive, or write a new grid; return which."""
        if (self.folder / "grid.toml").exists():
            return "goes on"
        if self.unpack(earlier):
            return "goes on after an earlier session"
        each = self.step_seconds() * shared
        steps = int(os.environ.get("STEPS") or max(FEWEST, (seconds - OVERHEAD) / each))
        steps = 3 if TINY else steps
        shape = {"unroll": 4, "window": 2, "real": 32} if TINY else {"unroll": 60, **RUN}
        self.folder.mkdir(parents=True, exist_ok=True)
        grid = GRID.format(
            task=self.task,
            ipc=self.ipc,
            seconds=seconds,
            shared=shared,
            steps=steps,
            network='network = "convnet-d1-w4-in"\n' if TINY else "",
            precision="float32" if TINY else "tf32",
            recipes='"dc-300"' if TINY else '["dsa-1000", "native"]',
            copies=1 if TINY else 5,
            **shape,
        )
        (self.folder / "grid.toml").write_text(grid)
        return f"{steps} steps of {each:.3f} s"


def main() -> None:
    """Run all sizes of the tasks at once, until the session's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--commit", default="none")
    parser.add_argument("--pack", type=Path, default=Path("gpu-pack"))
    parser.add_argument("--only-data", action="store_true", help="prepare the tasks' images, and end")
    parser.add_argument("--name", default="runs")
    given = parser.parse_args()
    book, work = Book(given.name), (WORK or Path("/tmp")) / "runs"
    if given.only_data:
        for task in given.tasks:
            with book.attempt(task):
                started = time.time()
                load(task)
                book.put(f"{task}: seconds", time.time() - started)
        return
    runs = [Run.of(task, ipc, work) for task in given.tasks for ipc in IPCS]
    until = min(END_AT - LEFT_FOR_PACKING, time.time() + LONGEST)
    for run in runs:
        with book.attempt(f"{run.name}: prepared"):
            seconds = until - time.time()
            earlier = given.pack / "stores" / run.archive.name
            book.put(f"{run.name}: grid", run.prepare(earlier, seconds, len(runs)))
            run.start(given.commit, "grid.toml", seconds - 2)
    wait(runs, book, until)
    for run in runs:
        if run.process and run.running:
            run.process.terminate()  # all at once, before each is waited for
    for run in runs:
        with book.attempt(f"{run.name}: ended"):
            run.end(book, until + 3)
    book.put("all ended", True)


if __name__ == "__main__":
    main()
