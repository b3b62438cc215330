"""Runs of RaT-BPTT that fill the seconds that are left, all at once on one GPU.

    python -m tests.benchmarks.gpu.runs fashion-mnist cifar10-jpeg

A run is a store with its grid, packed into one archive in $OUT, again and again while it runs. An archive of
an earlier session in gpu-pack/stores goes on under the grid that lies in it. A new grid has $STEPS outer
steps, or as many as fit by the seconds of a step that this session measured.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from suite.core.data.tasks import load
from suite.core.files.atomic_write import write_whole
from tests.benchmarks.gpu.book import END_AT, OUT, TINY, WORK, Book, numbers
from tests.benchmarks.gpu.engine import RUN

IPCS = (1, 10)
OVERHEAD = 8.0 if TINY else 60.0  # seconds of a run to start, compile, and retrain
GUESSED, FEWEST = 0.2, 200  # seconds of a step that was not measured; steps that are worth compiling
LEFT_FOR_PACKING, LONGEST = 10.0, 3600.0
ARCHIVED_EVERY = 15.0
MOST_BYTES = 16 * 2**20  # of an archive

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
initial = "real"
inner_lr = 0.003
outer_lr = {outer_lr}
precision = "{precision}"

[evaluator.retrain]
recipe = {recipes}
copies = {copies}
"""


@dataclass
class Run:
    """A grid of one task and size, in a folder with its store."""

    task: str
    ipc: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """What its archive is called."""
        return f"{self.task}-ipc{self.ipc}"

    @property
    def archive(self) -> Path:
        """Where it is packed."""
        return OUT / f"{self.name}.tgz"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log.txt"

    def step_seconds(self) -> float:
        """Return the seconds of an outer step alone on the device, as measured in this session."""
        found = numbers().get(f"run {self.task} ipc{self.ipc}", {}).get("engine", {})
        return float(found.get("engine_seconds", {}).get("median", GUESSED))

    def prepare(self, earlier: Path, seconds: float, shared: int) -> str:
        """Keep the grid that is there, unpack an earlier archive, or write a new grid; return which."""
        if (self.folder / "grid.toml").exists():
            return "goes on"
        if earlier.exists():
            with tarfile.open(earlier) as packed:
                packed.extractall(self.folder, filter="data")
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
            outer_lr={1: 0.02, 10: 0.01}[self.ipc],
            **shape,
        )
        (self.folder / "grid.toml").write_text(grid)
        return f"{steps} steps of {each:.3f} s"

    def start(self, commit: str, seconds: float) -> None:
        """Start it; it stops itself where `ratbench run` can."""
        words = [sys.executable, "-m", "tests.benchmarks.gpu.ratbench", commit, "run", "grid.toml"]
        words += ["--inline", "--store", "store"]
        words += ["--time-limit", f"{seconds:.0f}"] if can_stop_itself() else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)

    def pack(self) -> int:
        """Write the archive; return its bytes. Files that vanish meanwhile are left out."""
        with tempfile.TemporaryFile(dir=WORK) as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
                for path in sorted(self.folder.rglob("*")):
                    if "compiled" in path.parts:
                        continue  # tens of MiB, which another machine may make again
                    with suppress(FileNotFoundError):
                        packed.add(path, path.relative_to(self.folder), recursive=False)
            size = file.tell()
            file.seek(0)
            if size <= MOST_BYTES:
                write_whole(self.archive, lambda partial: partial.write_bytes(file.read()))
        return size


@cache
def can_stop_itself() -> bool:
    """Return whether `ratbench run` has a time limit, after which the same command goes on."""
    words = [sys.executable, "-m", "suite", "run", "--help"]
    return "--time-limit" in subprocess.run(words, capture_output=True, text=True).stdout


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
    runs = [Run(task, ipc, work / f"{task}-ipc{ipc}") for task in given.tasks for ipc in IPCS]
    until = min(END_AT - LEFT_FOR_PACKING, time.time() + LONGEST)
    for run in runs:
        with book.attempt(f"{run.name}: prepared"):
            seconds = until - time.time()
            earlier = given.pack / "stores" / run.archive.name
            book.put(f"{run.name}: grid", run.prepare(earlier, seconds, len(runs)))
            run.start(given.commit, seconds - 2)
    packed = time.time()
    while time.time() < until and any(run.process and run.process.poll() is None for run in runs):
        time.sleep(0.3)
        if time.time() - packed > ARCHIVED_EVERY:
            pack_all(book, runs)
            packed = time.time()
    for run in runs:
        if run.process and run.process.poll() is None:
            run.process.terminate()
    for run in runs:
        with book.attempt(f"{run.name}: ended"):
            ended(book, run, until + 3)
    pack_all(book, runs)
    book.put("all ended", True)


def pack_all(book: Book, runs: list[Run]) -> None:
    """Pack what the runs have written so far."""
    for run in runs:
        with book.attempt(f"{run.name}: packed"):
            book.put(f"{run.name}: archive, bytes", run.pack())


def ended(book: Book, run: Run, until: float) -> None:
    """Note how a run ended; at `until` it is killed."""
    if run.process is None:
        return
    try:
        code: int | str = run.process.wait(timeout=max(0.1, until - time.time()))
    except subprocess.TimeoutExpired:
        run.process.kill()
        code = "killed"
    book.put(f"{run.name}: exit code", code)
    book.put(f"{run.name}: output", run.log.read_text(errors="replace")[-3000:])


if __name__ == "__main__":
    main()
