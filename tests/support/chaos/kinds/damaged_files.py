"""Files that are damaged, lost, or replaced by something else, while a run is at work or at rest."""

import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suite.experiments.cells.context import Context
from suite.experiments.resources import Resources
from suite.records.store import Store
from tests.support import disks
from tests.support.chaos.kinds.kind import Cost, Kind
from tests.support.chaos.world import Missed, World


@dataclass(frozen=True)
class Target:
    """A kind of file. cost: notes in a world what its damage may cost."""

    name: str
    patterns: tuple[str, ...]
    cost: Callable[[World, Path], None] = lambda world, path: None
    price: Cost = "nothing"


def _checkpoint(world: World, path: Path) -> None:
    """The steps after the one before it."""
    step = int(path.stem.partition("-")[0])
    others = [int(each.stem.partition("-")[0]) for each in path.parent.glob("*.pt") if each != path]
    world.interrupt()
    world.steps[path.parent.name] += step - max((each for each in others if each < step), default=0)


def _set(world: World, path: Path) -> None:
    world.excuse(world.cells_of(path.stem))


def _record(world: World, path: Path) -> None:
    world.excuse({path.stem})


TARGETS = (
    Target("checkpoint", ("checkpoints/*/*.pt",), _checkpoint, "one checkpoint interval"),
    Target("set", ("artefacts/*.safetensors",), _set, "one cell"),
    Target("manifest", ("artefacts/*.json",), _set, "one cell"),
    Target("record", ("records/*/*/*.json",), _record, "one cell"),
    Target("plan", ("plan/*.json",)),
    Target("job", ("jobs/*.json",)),
    Target("store.json", ("store.json",)),
    Target("checked.json", ("checked.json",)),
    Target("board", ("leaderboard.md",)),
    Target("picture", ("pictures/*/*.png",), lambda world, path: world.pictures.add(path)),
)


class Damaged(Kind):
    """One of a kind of files is damaged, in a way that is drawn."""

    codes = (0, 1, 2)  # a cell whose record or set is lost below its run is done by the next one
    weight = 3

    def __init__(self, target: Target, *, at_rest: bool) -> None:
        super().__init__(f"damaged {target.name}, {'at rest' if at_rest else 'while it runs'}")
        self.target, self.fails, self.weight = target, not at_rest, 1 if target.price == "nothing" else 3
        self.cost, self.at_rest, self.at_gate = target.price, at_rest, not at_rest

    def strike(self, world: World) -> None:
        path = world.victim(*self.target.patterns)
        self.target.cost(world, path)
        damage = world.draw.choice(disks.DAMAGES)
        self.told = f"{damage.__name__} {path.relative_to(world.store)}"
        damage(path)

    def after(self, world: World, code: int, output: str) -> None:
        mend_facts(world, output)


def mend_facts(world: World, output: str) -> bool:
    """Do what a run asks for whose store.json states another protocol; return whether it did."""
    asked = "has protocol" in output and "delete store.json" in output
    if asked:
        (world.store / "store.json").unlink()
    return asked


class CheckpointOfTheKilled(Kind):
    """The driver is killed, and the newest checkpoints of its trial are damaged."""

    of = "checkpoints"
    codes = (-signal.SIGKILL,)
    weight = 12

    def strike(self, world: World) -> None:
        found = sorted(each for each in world.store.glob("checkpoints/*/*.pt") if each.is_file())
        if not found:
            raise Missed
        for path in found[-world.draw.choice([1, 1, 2]) :]:
            _checkpoint(world, path)
            world.draw.choice(disks.DAMAGES)(path)
        world.interrupt()
        os.kill(world.running.pid, signal.SIGKILL)


class PreparedImages(Kind):
    """The prepared images of the task are damaged, and prepared again."""

    cost: Cost = "nothing"

    def __init__(self, *, at_rest: bool) -> None:
        super().__init__(f"damaged prepared images, {'at rest' if at_rest else 'while it runs'}")
        self.at_rest, self.at_gate = at_rest, not at_rest

    def strike(self, world: World) -> None:
        world.draw.choice(disks.DAMAGES)(world.victim(".ratbench/*", below=world.data))


class CompiledSteps(Kind):
    """A file of compiled steps is no such file, or has another content than its name says."""

    cost: Cost = "nothing"
    at_rest = True
    at_gate = False

    def strike(self, world: World) -> None:
        content = world.draw.randbytes(1000)
        digest = hashlib.sha256(content).hexdigest()[:16]
        job, here = world.jobs[0], Store(world.store)
        folder = Context(job, here, Resources()).compiled
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = world.draw.choice([f"{'0' * 16}-{digest}", f"{'0' * 16}-{'1' * 16}", digest, "other"])
        path = folder / f"{name}.artifacts"
        path.write_bytes(content)
        if world.draw.random() < 0.5:
            world.draw.choice(disks.DAMAGES)(path)


KINDS: list[Kind] = [
    *(Damaged(target, at_rest=each) for target in TARGETS for each in (False, True)),
    *(PreparedImages(at_rest=each) for each in (False, True)),
    CompiledSteps("damaged compiled steps"),
    CheckpointOfTheKilled("damaged checkpoint of a run that is killed"),
]
