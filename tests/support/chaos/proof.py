"""Some faults, then lies about a finished store: each must be noticed. Prints JSON.

One process does both, since the undisturbed run and the imports are most of the time.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from suite.records.cells import Trial
from tests.support.chaos.campaign import FAULTS, Campaign, campaign
from tests.support.chaos.checks import Checks
from tests.support.chaos.world import World
from tests.support.stores import change

Lie = Callable[[World, Checks], object]


def _path(world: World, label: str) -> Path:
    return sorted(world.store.glob(f"records/*/{label}/*.json"))[0]


def _trial(world: World) -> str:
    return next(job.id for job in world.jobs if isinstance(job.cell, Trial))


def _better(world: World, checks: Checks) -> None:
    change(_path(world, "full_data"), scores={"accuracy": (1.0, 1.0)})


def _failure(world: World, checks: Checks) -> None:
    path = world.store / "failures" / "digits-ipc1" / "dm" / f"{_trial(world)}.json"
    path.parent.mkdir(parents=True)
    change(Path(shutil.copy(_path(world, "dm"), path)), status="failed")


def _said(*lines: str) -> Lie:
    return lambda world, checks: world.started.write_text(
        "".join(f"{each} {_trial(world)} 1\n" for each in lines)
    )


LIES: dict[str, Lie] = {
    "lost": lambda world, checks: _path(world, "dm").unlink(),
    "a record without its set": lambda world, checks: next(
        world.store.glob("artefacts/*.safetensors")
    ).unlink(),
    "wrong": _better,
    "failed": _failure,
    "finished, and done again": _said("begins"),
    "1 outer steps again": _said("step", "step"),
    "wrong figures on the board": lambda world, checks: next(world.store.glob("plan/*.json")).write_text(
        next(world.store.glob("plan/*.json")).read_text().replace("drifting", "drifted")
    ),
    "left over": lambda world, checks: (world.store / "records" / ".partial-x").touch(),
    "not as undisturbed": lambda world, checks: next(world.store.glob("pictures/*/*.png")).write_bytes(b""),
}
"""Lies, by the beginning of the problem that must be told."""


def noticed(made: Campaign, lie: Lie) -> list[str]:
    """Tell a lie about a finished store; return the problems that are found."""
    store = made.disk / "lied"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(made.reference.store, store)
    world = World(made.folder, store, made.reference.jobs, random.Random(0))
    world.started.unlink(missing_ok=True)
    checks = Checks(world, made.reference)
    checks.pause(None)
    assert not world.problems, world.problems
    lie(world, checks)
    checks.pause(None)
    checks.end()
    return world.problems


def main(seed: int, faults: int) -> None:
    found: dict[str, Any] = {"faults": 0, "problems": [], "told": [], "episodes": 0}
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, campaign(Path(folder), seed) as made:
        while found["faults"] < faults and not found["problems"]:
            ended = made.episode(found["episodes"], min(FAULTS, faults - found["faults"]))
            found["episodes"] += 1
            found["faults"] += ended.faults.total()
            found["problems"] += ended.problems
            found["told"] = [ended.command, *ended.told]
        found["noticed"] = {name: noticed(made, lie) for name, lie in LIES.items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
