"""A method or an evaluator that goes wrong once, and then works."""

from tests.support import misbehaving
from tests.support.chaos.kinds.kind import Kind
from tests.support.chaos.world import Missed, World

CODES = {"FAILS": (1,), "DIES": (0,), "HANGS": (1,), "CHANGES": (0,), "HARMLESS": (0,)}
"""Kinds of deeds, and the exit code of a run that meets one."""

LEFT_OUT = ("dtype", "device", "leaks")
"""Deeds that make the method's own set wrong, and one that takes gigabytes from all on the machine."""


class Deed(Kind):
    """One deed of a kind, drawn."""

    at_gate = False

    def __init__(self, kind: str, who: str) -> None:
        super().__init__(f"{who} that {kind.lower()} once")
        self.kind, self.who, self.codes = kind, who, CODES[kind]
        self.fails = kind in ("FAILS", "HANGS")
        self.weight = 1 if kind == "HANGS" else 4
        if kind == "HANGS":
            self.more = ("--step-timeout", "3s")

    def prepare(self, world: World) -> None:
        found = [deed for deed in misbehaving.deeds(self.kind) if deed not in LEFT_OUT]
        self.told = world.draw.choice(found)
        self.file = world.folder / f"{self.who}.deed"
        self.file.with_suffix(".done").unlink(missing_ok=True)
        self.file.write_text(self.told)
        world.interrupt()

    def after(self, world: World, code: int, output: str) -> None:
        self.file.unlink(missing_ok=True)
        if not self.file.with_suffix(".done").exists():
            raise Missed


KINDS: list[Kind] = [Deed(kind, who) for kind in CODES for who in ("method", "evaluator")]
