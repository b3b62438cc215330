"""Episodes on a local Ray, in real processes: a start takes many seconds, so that there are few of them.

Moments are numbers of files in the store, seen by polling. Checkpoints are written every minute, as for
users, which is more than a trial takes.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from suite.records.cells import Trial
from tests.support.chaos import grid
from tests.support.chaos.campaign import Campaign, Episode, undisturbed
from tests.support.chaos.checks import Checks
from tests.support.chaos.commands import SECONDS
from tests.support.chaos.world import World
from tests.support.ray_nodes import below, named, parents, send

FAULTS = 2
"""Faults of an episode."""

FILES = 25
"""So many records, sets and manifests are written at most before a fault; the grid has 31."""

TRAINABLE = "ray::ResourceTrainable"
"""The title of a worker; Ray's agents are called `ray::`, too, and the raylet ends with them."""

Victims = Callable[[int], list[int]]


def driver(run: int) -> list[int]:
    return [run]


def worker(run: int) -> list[int]:
    return named(below(run), TRAINABLE)[:1]


def job(run: int) -> list[int]:
    """Return a process of a job: a child of a worker."""
    workers, of = set(named(below(run), TRAINABLE)), parents()
    return [pid for pid, parent in of.items() if parent in workers][:1]


def raylet(run: int) -> list[int]:
    return named(below(run), "raylet")


def head(run: int) -> list[int]:
    return named(below(run), "gcs_server")


KINDS: dict[str, tuple[Victims, signal.Signals, tuple[int, ...]]] = {
    "Ray: SIGKILL of the driver": (driver, signal.SIGKILL, (-9,)),
    "Ray: SIGTERM of the driver": (driver, signal.SIGTERM, (75, 0)),
    "Ray: SIGINT of the driver": (driver, signal.SIGINT, (130,)),
    "Ray: SIGKILL of a worker": (worker, signal.SIGKILL, (0,)),
    "Ray: SIGTERM of a worker": (worker, signal.SIGTERM, (0,)),
    "Ray: SIGKILL of a job's process": (job, signal.SIGKILL, (0,)),
    "Ray: SIGTERM of a job's process": (job, signal.SIGTERM, (0,)),
    "Ray: SIGKILL of the raylet": (raylet, signal.SIGKILL, (75, 0)),
    "Ray: SIGKILL of the head": (head, signal.SIGKILL, (75, 0)),
}
"""Who gets which signal, and how the run may end: with 0 if all was done before it was noticed."""


def episode(made: Campaign, number: int) -> Episode:
    """Run an episode on Ray."""
    draw, ended = random.Random(f"ray {made.seed}/{number}"), Episode(made.seed, number, words=" --ray")
    store = made.disk / "store"
    shutil.rmtree(store, ignore_errors=True)
    world = World(made.folder, store, made.reference.jobs, draw, problems=ended.problems)
    checks = Checks(world, made.reference)
    for _ in range(FAULTS):
        if ended.problems:
            break
        name = draw.choice(sorted(KINDS))
        before = _starts(world)
        ended.told.append(_run(world, name, draw.randint(1, FILES), ended.faults))
        _expect_no_start_of(checks.finished, before, world)
        checks.pause(None)
    if not ended.problems:
        ended.told.append(undisturbed(world))
        checks.pause(None)
        checks.end()
    return ended


def _starts(world: World) -> Counter[str]:
    file = world.folder / grid.STARTS
    return Counter(file.read_text().split()) if file.exists() else Counter()


def _expect_no_start_of(finished: set[str], before: Counter[str], world: World) -> None:
    """Check that no finished trial of the method that notes its starts has begun again."""
    again = _starts(world) - before
    for each in world.jobs:
        if isinstance(each.cell, Trial) and each.label == "drifting" and each.id in finished:
            world.expect(not again[str(each.cell.seed)], f"finished, and done again: {each.title}")


def _run(world: World, name: str, files: int, faults: Counter[str]) -> str:
    victims, number, codes = KINDS[name]
    command = [sys.executable, "-m", "suite", *map(str, world.words)]
    command.remove("--inline")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out:
        run = subprocess.Popen(command, stdout=out, stderr=out, env=environment, preexec_fn=_interruptible)
        files += _files(world.store)
        try:
            _wait(lambda: run.poll() is not None or _files(world.store) >= files)
            found = victims(run.pid) if run.poll() is None else []
            others = below(run.pid)
            send(found, number)
            code = run.wait(SECONDS)
        finally:
            send(others, signal.SIGKILL)
            run.wait()
        out.seek(0)
        output = out.read().decode(errors="replace")
    faults[name] += bool(found)
    world.expect("Traceback (most recent call last)" not in output, f"a traceback: {output}")
    world.expect(code in (codes if found else (0,)), f"{name}: exit code {code}, not of {codes}: {output}")
    return f"{name} at {files} files: exit code {code}\n{output}"


def _files(store: Path) -> int:
    return sum(1 for name in ("records", "artefacts") for _ in (store / name).rglob("*.*"))


def _wait(holds: Callable[[], bool]) -> None:
    end = monotonic() + SECONDS
    while not holds() and monotonic() < end:
        sleep(0.02)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
