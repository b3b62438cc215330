"""What all kinds of faults have."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from tests.support.chaos.world import World

Cost = Literal["nothing", "one checkpoint interval", "one cell"]


class Kind:
    """A kind of fault.

    cost: what it may cost; codes: the exit codes that the disturbed run may have; at_rest: whether it happens
    while no run is at work; at_gate: whether a run stops for it at a change of a file; of: the
    folder of that file, if it must be one; fails: whether the run
    may record failures of cells; more: words of the run's command.
    """

    cost: Cost = "one checkpoint interval"
    of: str = ""
    at_rest: bool = False
    at_gate: bool = True
    weight: int = 2
    codes: Collection[int] = (0,)
    fails: bool = False
    more: tuple[str | Path, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, world: World) -> None:
        """Do what is done before the run begins; raises Missed."""

    def strike(self, world: World) -> dict[str, Any] | None:
        """Do it; return what the gate tells the processes of the run. Raises Missed."""
        return None

    def after(self, world: World, code: int, output: str) -> None:
        """Mend what can be mended, after the run has ended with this exit code and output."""
