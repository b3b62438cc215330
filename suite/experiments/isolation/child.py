"""The process of jobs: it does one job after another, as ordered over a connection.

It ends when the process that started it ends.
"""

import ctypes
import faulthandler
import os
import signal
import sys
import traceback
import warnings
from contextlib import closing, suppress
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

from suite.core.files.atomic_write import DiskFault
from suite.experiments import job_runner
from suite.experiments.cells.context import load_task
from suite.experiments.cells.progress import Listener, Progress
from suite.experiments.isolation.orders import KEPT_BYTES, LOST_CONNECTION, REPORT_SECONDS, Order
from suite.experiments.isolation.process_state import ProcessState, kept_bytes
from suite.experiments.resources import Resources
from suite.records.store import Store

_PR_SET_PDEATHSIG = 1


def main(handle: int, parent: int) -> None:
    """Do the orders of the process `parent`, which come over the connection `handle`, until it sends None."""
    _end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run
    faulthandler.enable()  # says where a crash happened
    warnings.showwarning = _warn
    connection = Connection(handle)
    try:
        resources = Resources(**connection.recv())
        with resources.applied():
            worker = _Worker(connection, resources)
            connection.send(("ready",))
            while (order := connection.recv()) is not None:
                worker.do(order)
    except (EOFError, OSError):
        os._exit(LOST_CONNECTION)
    os._exit(0)  # threads of methods may go on


def _end_with(parent: int) -> None:
    """End this process whenever its parent ends, whatever either of them does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(LOST_CONNECTION)


class _Worker(Listener):
    """Does jobs and reports to the parent."""

    alone = True

    def __init__(self, connection: Connection, resources: Resources) -> None:
        super().__init__()
        self.connection, self.resources = connection, resources
        self.state, self.began_with = ProcessState(), kept_bytes()
        self.spoilt = False

    def begin(self, cell: str) -> None:
        """Report that work on a cell begins; reset random generators and warnings."""
        self.state.reset(cell)
        self._send("begun", cell)

    def moved(self, doing: str) -> None:
        """Report what is done from now on."""
        self._send("moved", doing)

    def changes(self) -> tuple[str, ...]:
        """Return what changed in the process; if anything did, the process ends after the cell."""
        found = self.state.changes()
        self.spoilt = self.spoilt or bool(found)
        return found

    def do(self, order: Order) -> None:
        """Do a job until it ends, the parent stops it, or the process is spoilt for its next cell."""
        work = job_runner.run(
            order.job,
            _store(order.store),
            self.resources,
            checkpoint_seconds=order.checkpoint_seconds,
            listener=self,
            settled=order.settled,
            lost=order.lost,
        )
        reported, done = -REPORT_SECONDS, True
        try:
            with closing(work):  # closed early, it writes a checkpoint
                for progress in work:
                    if progress.steps and monotonic() - reported < REPORT_SECONDS:
                        continue
                    if not self._goes_on(progress):
                        break
                    if self.spoilt:
                        done = False
                        break
                    reported = monotonic()
        except (BrokenPipeError, EOFError):
            raise
        except Exception as error:
            # A method may have lowered the limits of this process, in which case the disk is not at fault.
            at_fault = isinstance(error, DiskFault) and not self.state.changes()
            why = traceback.format_exception_only(error)[-1].strip()
            self._send("fault" if at_fault else "raised", error if at_fault else why)
            return
        self._send("ended", done, self._is_fresh())

    def _goes_on(self, progress: Progress) -> bool:
        self._send("progress", progress)
        goes_on: bool = self.connection.recv()
        return goes_on

    def _is_fresh(self) -> bool:
        """Free memory; return whether the process may do the next job."""
        if self.resources.gpus:
            load_task.cache_clear()
        if not self.resources.release():
            return False
        return not self.spoilt and kept_bytes() - self.began_with <= KEPT_BYTES

    def _send(self, *message: Any) -> None:
        self.leave_if_forked()
        self.connection.send(message)


@lru_cache(maxsize=1)
def _store(path: Path) -> Store:
    """Return a store; its files are listed once for all jobs."""
    return Store(path)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    with suppress(OSError):  # a method may have closed it, or replaced `sys.stderr`
        os.write(2, f"warning: {message}\n".encode(errors="backslashreplace"))
