"""Episodes: a store under faults that a seed draws, then one undisturbed run, and the comparison."""

import ctypes
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import torch

from suite.experiments.provenance import commit
from tests.support.chaos import grid
from tests.support.chaos.checks import Checks
from tests.support.chaos.commands import Command, Surroundings
from tests.support.chaos.gate import Gate
from tests.support.chaos.kinds import (
    broken_disks,
    damaged_files,
    misbehaving_code,
    processes,
    strange_stores,
    surroundings,
)
from tests.support.chaos.kinds.kind import Kind
from tests.support.chaos.reference import Reference
from tests.support.chaos.world import Missed, World

FAULTS = 10
"""Faults of an episode at most."""

AFTERWARDS = 3
"""Faults that follow after all cells are done: there is little left to disturb."""

TRIES = 30
"""Faults that are drawn for them at most: some find nothing to act upon."""

DISTILLING, IN_CHECKPOINTS = "checkpoints", 40
"""The folder that changes while trials are distilled, and about how often."""

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS


def kinds() -> list[Kind]:
    """Return one fault of each kind."""
    modules = (processes, broken_disks, damaged_files, misbehaving_code, strange_stores, surroundings)
    return [kind for module in modules for kind in module.KINDS]


@dataclass
class Episode:
    """What came of an episode. faults: by kind; problems: what should not have happened; repeated: outer
    steps that were taken again; told: the schedule, for people.
    """

    seed: int
    number: int
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    repeated: int = 0
    told: list[str] = field(default_factory=list)
    words: str = ""

    @property
    def command(self) -> str:
        """What runs it again."""
        return f"python -m tests.benchmarks.chaos --seed {self.seed} --episode {self.number}{self.words}"


class Campaign:
    """Episodes in a folder, compared with one undisturbed run."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.disk = folder / "disk"
        self.disk.mkdir(parents=True, exist_ok=True)
        grid.write(folder)
        broken_disks.mount("-t", "tmpfs", "-o", broken_disks.SIZE, "none", self.disk)
        self.reference = Reference(folder, self.disk / "undisturbed")

    def episode(self, number: int, faults: int = FAULTS) -> Episode:
        """Run an episode with so many faults."""
        draw, ended = random.Random(f"{self.seed}/{number}"), Episode(self.seed, number)
        store = self.disk / "store"
        shutil.rmtree(store, ignore_errors=True)
        world = World(self.folder, store, self.reference.jobs, draw, problems=ended.problems)
        world.started.unlink(missing_ok=True)
        checks, found, complete = Checks(world, self.reference), kinds(), 0
        for _ in range(TRIES):
            if ended.faults.total() >= faults or complete > AFTERWARDS or ended.problems:
                break
            (kind,) = draw.choices(found, [each.weight for each in found])
            of = kind.of or draw.choice(["", DISTILLING])
            most = IN_CHECKPOINTS if of else self.reference.events
            moment = ceil(most ** draw.random()) if kind.at_gate else 0
            world.draw = random.Random(draw.random())
            told = _fault(world, kind, moment, of)
            if told:
                ended.faults[kind.name] += 1
                ended.told.append(told)
                complete += complete > 0
            checks.pause(kind)
            complete = complete or int(len(checks.finished) == len(self.reference.cores))
        if not ended.problems:
            ended.told.append(undisturbed(world))
            checks.pause(None)
            checks.end()
        ended.repeated = checks.repeated
        return ended


def _fault(world: World, kind: Kind, moment: int, of: str) -> str:
    """Let a fault happen, beside a run unless it is one at rest; return what is told, "" if it missed."""
    struck = not kind.at_gate
    world.around = Surroundings()
    try:
        kind.prepare(world)
        if kind.at_rest:
            if not world.store.exists():
                return ""
            kind.strike(world)
            return f"{kind.name} ({getattr(kind, 'told', '')})"
    except Missed:
        return ""
    gate = Gate(world.store, moment, of)
    world.command = command = Command([*world.words, *kind.more], gate, world.started, world.around)
    try:
        if moment and command.reaches_the_gate():
            orders = None
            try:
                orders = kind.strike(world)
                struck = True
            except Missed:
                struck = False
            gate.let_go(**(orders or {}))
        code, output = command.ends(), command.output
        if struck:
            try:
                kind.after(world, code, output)
            except Missed:
                struck = False
        if damaged_files.mend_facts(world, output):
            struck = False  # an earlier fault stopped the run before this one
        else:
            _judge(world, kind if struck else None, code, output)
    finally:
        command.close()
        gate.close()
        world.command = None
    if not struck:
        return ""
    return f"{kind.name} ({getattr(kind, 'told', '')}) at change {moment} {of}: exit code {code}\n{output}"


def _judge(world: World, kind: Kind | None, code: int, output: str) -> None:
    """Check the end of a run."""
    world.expect("Traceback (most recent call last)" not in output, f"a traceback: {output}")
    codes = kind.codes if kind else (0,)
    world.expect(code in codes, f"exit code {code}, not of {codes}: {output}")


def undisturbed(world: World) -> str:
    """Run the same command again, until it is complete."""
    for _ in range(2):  # a first one may be refused, with a remedy
        gate = Gate(world.store)
        command = Command(world.words, gate, world.started)
        code, output = command.ends(), command.output
        command.close()
        gate.close()
        if not (code == 2 and damaged_files.mend_facts(world, output)):
            break
    _judge(world, None, code, output)
    return f"undisturbed: exit code {code}\n{output}"


@contextmanager
def campaign(folder: Path, seed: int) -> Iterator[Campaign]:
    """Prepare a campaign in a folder; what it mounts is seen by this process and its forks alone."""
    torch.set_num_threads(1)
    if os.geteuid() == 0 and ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0:
        broken_disks.mount("--make-rprivate", "/")
    commit()  # asks git, once
    made = Campaign(folder, seed)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", made.disk], capture_output=True, check=False)
