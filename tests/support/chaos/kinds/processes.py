"""Processes that are killed, stopped or doubled."""

import os
import signal

from tests.support.chaos.kinds.kind import Cost, Kind
from tests.support.chaos.world import Missed, World
from tests.support.ray_nodes import send


class OfTheDriver(Kind):
    """A signal to the driver."""

    weight = 5

    def __init__(self, number: signal.Signals, *codes: int) -> None:
        super().__init__(f"{number.name} of the driver")
        self.number, self.codes = number, codes

    def strike(self, world: World) -> None:
        world.interrupt()
        os.kill(world.running.pid, self.number)


class OfTheJob(Kind):
    """A signal to the process of the job, which is tried again by the same run."""

    weight = 4

    def __init__(self, number: signal.Signals, *codes: int) -> None:
        super().__init__(f"{number.name} of the job's process")
        self.number, self.codes, self.fails = number, codes, 1 in codes
        if number == signal.SIGSTOP:
            self.more, self.weight = ("--step-timeout", "3s"), 1

    def strike(self, world: World) -> None:
        found = world.running.processes_of_jobs()
        if not found:
            raise Missed
        world.interrupt()
        send(found, self.number)


class SecondDriver(Kind):
    """Another run on the same store is refused, and changes nothing."""

    cost: Cost = "nothing"

    def strike(self, world: World) -> None:
        first = not (world.store / "driver.lock").exists()  # before the other one has taken the lock
        code, text = world.beside(*world.words)
        refused = code == 2 and "is in use by" in text
        world.expect(refused or (first and code == 0), f"a second driver ended with {code}: {text}")


class Readers(Kind):
    """Commands that read the store beside the run."""

    cost: Cost = "nothing"

    def strike(self, world: World) -> None:
        for words in (["status"], ["leaderboard", "--format", "csv"], ["list", "artefacts"], ["audit"]):
            code, text = world.beside(*words, world.store)
            fine = (
                code in ((0, 1) if words == ["audit"] else (0,))
                or "is not a store" in text
                or "no store" in text
            )
            world.expect(
                fine and "Traceback" not in text, f"{words[0]} beside a run ended with {code}: {text}"
            )


KINDS: list[Kind] = [
    OfTheDriver(signal.SIGKILL, -signal.SIGKILL),
    OfTheDriver(signal.SIGTERM, 75, 0),
    OfTheDriver(signal.SIGINT, 130),
    OfTheDriver(signal.SIGHUP, 75, 0),
    OfTheJob(signal.SIGKILL, 0),
    OfTheJob(signal.SIGTERM, 0),
    OfTheJob(signal.SIGINT, 0),
    OfTheJob(signal.SIGSTOP, 0, 1),
    SecondDriver("a second driver"),
    Readers("readers beside the run"),
]
