"""Conducts a session on a GPU: all parts compile at the same time, then each measures alone.

Called by gpu.sh, which sets the environment. Everything ends at END_AT; what is then not measured is named.
Grids in $EARLY run while the parts compile, those in $GRIDS in the end, in place of runs of the tasks.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.experiments import provenance
from tests.benchmarks.gpu.book import END_AT, STARTED_AT, TINY, WORK, Book, flag, summary

LENGTH = END_AT - STARTED_AT
READY = STARTED_AT + float(os.environ.get("READY_AT", "0.40")) * LENGTH  # then those measure that are ready
RUNS = STARTED_AT + float(os.environ.get("RUNS_AT", "0.66")) * LENGTH  # no other part measures then
ONLY = [name for name in os.environ.get("ONLY", "").split(",") if name]  # parts of a session; all if empty
PACK = Path(os.environ.get("PACK") or "gpu-pack")
EARLY, GRIDS = ([Path(name) for name in os.environ.get(key, "").split()] for key in ("EARLY", "GRIDS"))


@dataclass
class Part:
    """A process of the session: its name, the words of its command, the most seconds it may measure."""

    name: str
    words: str
    seconds: float
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What it printed."""
        return flag(self.name, "log")

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self, nice: int = 0) -> None:
        """Start it; the larger `nice`, the later it has a processor."""
        module, *words = self.words.split()
        named = [] if module in ("ceilings", "smokes") else ["--name", self.name]
        python = ["nice", "-n", str(nice), sys.executable, "-m", f"tests.benchmarks.gpu.{module}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*python, *words, *named], stdout=log, stderr=subprocess.STDOUT, process_group=0
            )

    def wait(self, until: float) -> None:
        """Wait until it has ended; at `until` it is ended."""
        while self.running and time.time() < until:
            time.sleep(0.1)
        self.kill()

    def kill(self) -> None:
        """End it, and the processes that it started."""
        if self.process is not None and self.running:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def engine(shape: str, precision: str, words: str = "", *, seconds: float = 20) -> Part:
    """Return a part for an outer step."""
    variant = f" {words.split()[1]}" if words.startswith("--variant") else ""
    command = f"engine {shape} --precision {precision} {words}"
    return Part(f"outer step {shape} {precision}{variant}", command, seconds)


PARTS = (
    engine("cifar10-ipc10", "float32", "--measure official", seconds=48),
    engine("cifar10-ipc1", "float32", "--measure official", seconds=40),
    engine("cifar10-ipc10", "tf32", "--measure official", seconds=45),
    engine("cifar10-ipc1", "tf32", "--measure official", seconds=40),
    Part("evaluator ipc1", "evaluator --ipc 1", 60),
    Part("evaluator ipc10", "evaluator --ipc 10 --epochs 150", 110),
    engine("cifar10-ipc10", "bf16", "--measure official", seconds=45),
    engine("cifar10-ipc1", "bf16", "--measure official", seconds=40),
    Part("authors dc dm", "authors dc dm", 60),
    Part("authors mtt", "authors mtt", 60),
    engine("cifar10-ipc10", "float32", "--variant patches", seconds=15),
    engine("cifar10-ipc10", "tf32", "--variant patches", seconds=12),
    engine("cifar10-ipc10", "float32", "--variant tuned --measure official", seconds=45),
    engine("cifar10-ipc10", "tf32", "--variant tuned --measure official", seconds=45),
    Part("evaluator ipc10 tuned", "evaluator --ipc 10 --epochs 150 --variant tuned", 70),
    engine("cifar10-ipc1", "tf32", "--variant merged", seconds=8),
    engine("cifar10-ipc10", "float32", "--variant merged", seconds=12),
    engine("cifar10-ipc10", "tf32", "--variant merged", seconds=10),
    engine("cifar10-ipc1", "tf32", "--variant halves", seconds=8),
    engine("cifar10-ipc10", "float32", "--variant halves", seconds=12),
    engine("cifar10-ipc10", "float32", "--variant layout"),
    engine("cifar10-ipc10", "tf32", "--variant layout"),
    engine("cifar10-ipc10", "float32", "--variant kept"),
    Part("networks", "engine cifar10-ipc1 --measure graphs networks profile", 30),
)
REHEARSED = (1, 4, 8, 9, 12)  # one of each kind


def of_runs(tasks: Sequence[str], precision: str = "tf32") -> tuple[Part, ...]:
    """Return parts for the steps of the runs at the end: their seconds say how many fit."""
    return tuple(
        Part(f"run {task} ipc{ipc}", f"engine run-{task}-ipc{ipc} --precision {precision}", 10)
        for task in tasks
        for ipc in (1, 10)
    )


def of_grids(names: Sequence[Path], facts: Mapping[str, Any], *, seconds: float) -> Part:
    """Return a part that runs grids, one after another, for so many seconds at most."""
    words = f"--commit {facts['commit']} --pack {PACK} --seconds {seconds:.0f}"
    return Part(f"grids {names[0].stem}", f"grids {' '.join(map(str, names))} {words}", seconds + 15)


class Conductor:
    """Starts the parts, lets them measure in turn, and says what happens."""

    def __init__(self) -> None:
        self.book, self.timeline = Book("session"), list[str]()

    def say(self, text: str) -> None:
        """Note what happens, with the second."""
        self.timeline.append(f"{time.time() - STARTED_AT:.0f} s: {text}")
        self.book.put("timeline", self.timeline, shown=self.timeline[-1])

    def alone(self, part: Part) -> None:
        """Run a part and wait for it."""
        part.start()
        part.wait(min(time.time() + part.seconds, END_AT - 2))
        self.ended(part)

    def together(self, first: Sequence[Part], parts: Sequence[Part]) -> None:
        """Start all, wait until the first have ended and the others are ready, then let these measure."""
        for part in first:
            part.start()
        for number, part in enumerate(parts):
            part.start(nice=min(19, 1 + number))
            if TINY:  # few processors: one after another
                self.until(RUNS, lambda part=part: ready(part) or not part.running)  # type: ignore[misc]
        self.until(READY, lambda: all(ready(part) or not part.running for part in parts))
        self.say(f"ready: {sum(map(ready, parts))} of {len(parts)}")
        for part in first:
            part.wait(max(READY, time.time()))
            self.ended(part)
        waiting = list(parts)
        while waiting and time.time() < RUNS:
            able = [part for part in waiting if ready(part) or not part.running]
            if able:
                waiting.remove(able[0])
                self.turn(able[0])
            else:
                time.sleep(0.1)
        for part in waiting:
            part.kill()
            self.ended(part, "no time was left to measure")

    def turn(self, part: Part) -> None:
        """Let a part measure alone; it is told to begin no further round at two thirds of its seconds."""
        now, go = time.time(), flag(part.name, "go")
        go.with_suffix(".partial").write_text(str(now + part.seconds * 2 / 3))
        go.with_suffix(".partial").rename(go)
        part.wait(min(now + part.seconds, END_AT - 2))
        self.ended(part)

    def until(self, end: float, done: Callable[[], bool]) -> None:
        """Wait until something holds, or for the end."""
        while time.time() < end and not done():
            time.sleep(0.1)

    def ended(self, part: Part, reason: str = "") -> None:
        """Note how a part ended; keep what it printed if it was not well."""
        code = part.process.returncode if part.process else None
        self.say(f"{part.name}: {reason or ('ended' if code == 0 else f'ended with {code}')}")
        if code != 0 and part.log.exists():
            self.book.put(f"{part.name}: output", part.log.read_text(errors="replace")[-3000:])


def ready(part: Part) -> bool:
    """Return whether a part has compiled, and waits for its turn."""
    return flag(part.name, "ready").exists()


def wanted(name: str) -> bool:
    """Return whether the session has this part."""
    return not ONLY or name in ONLY


def packed() -> dict[str, Any]:
    """Return the commit and the tasks of the pack, if there is one."""
    path = PACK / "pack.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {"commit": provenance.commit(), "tasks": ["fashion-mnist"], **found}


def main() -> None:
    """Conduct the session."""
    assert WORK is not None
    os.environ["PYTHONUNBUFFERED"] = "1"
    for left in (path for kind in ("ready", "go") for path in WORK.glob(f"*.{kind}")):
        left.unlink()  # by an earlier session
    conductor, facts = Conductor(), packed()
    tasks = os.environ.get("TASKS", "digits" if TINY else " ".join(facts["tasks"])).split()
    conductor.book.put("facts", {**facts, "tasks": tasks, "seconds": LENGTH, "tiny": TINY})
    if wanted("ceilings"):
        conductor.alone(Part("ceilings", "ceilings", 45))
    parts = tuple(PARTS[number] for number in REHEARSED) if TINY else PARTS
    parts = tuple(part for part in parts if wanted(part.name))
    first = [Part("smokes", f"smokes --at-once {2 if TINY else 4}", 0)] if wanted("smokes") else []
    data = [*dict.fromkeys([*tasks, *(facts["tasks"] if PACK.exists() else [])])]
    first += [Part("data", f"runs {' '.join(data)} --only-data", 0)] if data else []
    first += [of_grids([grid], facts, seconds=READY - time.time() - 15) for grid in EARLY]
    of_tasks = of_runs([task for task in tasks if task != "digits"], "float32" if GRIDS else "tf32")
    # The steps of the runs (grids have float32) come after the most important numbers, and before the others.
    conductor.together(first, [*parts[:4], *of_tasks, *parts[4:]])
    if GRIDS:
        conductor.alone(of_grids(GRIDS, facts, seconds=LENGTH))
    elif tasks:
        words = f"runs {' '.join(tasks)} --commit {facts['commit']} --pack {PACK}"
        conductor.alone(Part("runs", words, LENGTH))
    conductor.say("finished")
    print(summary())  # noqa: T201


if __name__ == "__main__":
    main()
