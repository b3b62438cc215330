"""Clocks, temporary folders, open files and variables of the environment that are not as they should be."""

import shutil
from typing import Any

from tests.support.chaos.kinds.kind import Cost, Kind
from tests.support.chaos.world import World


class ClockJumps(Kind):
    """The clock of the run jumps, by up to ten years; that of the disk does not."""

    cost: Cost = "nothing"
    weight = 4

    def strike(self, world: World) -> dict[str, Any]:
        return {"clock": world.draw.choice([-1, 1]) * world.draw.choice([1, 60, 3600, 86400, 315360000])}


class TemporaryFolderGone(Kind):
    """The folder for temporary files vanishes."""

    cost: Cost = "nothing"

    def prepare(self, world: World) -> None:
        self.folder = world.folder / "tmp"
        self.folder.mkdir(exist_ok=True)
        world.around.environment["TMPDIR"] = str(self.folder)

    def strike(self, world: World) -> None:
        shutil.rmtree(self.folder)


class FewFiles(Kind):
    """A process may open few files: with 256 all works, with less the run may stop."""

    at_gate = False

    def prepare(self, world: World) -> None:
        world.around.files = world.draw.choice([256, 64, 48, 32, 28, 24, 20, 16])
        self.codes = (0,) if world.around.files == 256 else (0, 1, 2)
        self.fails = world.around.files < 256
        world.interrupt()


class Bare(Kind):
    """No home, and the C locale."""

    cost: Cost = "nothing"
    at_gate = False

    def prepare(self, world: World) -> None:
        world.around.environment |= {"HOME": "/nonexistent", "LC_ALL": "C", "TMPDIR": "/nonexistent"}


KINDS: list[Kind] = [
    ClockJumps("a clock that jumps"),
    TemporaryFolderGone("a temporary folder that vanishes"),
    FewFiles("few open files"),
    Bare("no home, C locale"),
]
