"""What is told of a job while it runs; needs neither torch nor ray."""

import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from suite.records.record import Record


@dataclass(frozen=True)
class Progress:
    """A report of progress: outer steps taken, and the record of every finished cell.

    needs: seconds that the next piece of work, and a checkpoint after it, may take; 0 if unknown. latest:
    metrics of the last outer step whose metrics were read, with its `step` and `seconds`. where: the machine
    and its GPU, "" for this process. Without `steps` a cell has finished, or begins.
    """

    job: str
    doing: str
    step: int = 0
    steps: int = 0
    finished: Mapping[str, Record] = field(default_factory=dict)
    needs: float = 0.0
    latest: Mapping[str, float] = field(default_factory=dict)
    where: str = ""


Work = Generator[Progress, None, Record]
"""The work on a cell: yields progress and returns the record; an error is a failure of the cell."""


@dataclass(frozen=True)
class Lost:
    """Why a cell failed whose process died or was stopped, after how many attempts, and what it printed."""

    reason: str
    attempts: int = 1
    output: str = ""


class Listener:
    """Hears of work that may take long; this one does nothing.

    alone: whether the process is the job's own. Its work then interrupts nobody but itself.
    """

    alone = False

    def __init__(self) -> None:
        self._process = os.getpid()

    def begin(self, cell: str) -> None:
        """Hear that work on a cell begins."""

    def moved(self, doing: str) -> None:
        """Hear what is done from now on, in words."""

    def changes(self) -> tuple[str, ...]:
        """Return what the work on a cell changed of its process, and left so."""
        return ()

    def leave_if_forked(self) -> None:
        """End a process that a method forked and that goes on as if it were the worker: it writes nothing."""
        if os.getpid() != self._process:
            os._exit(0)
