"""When a run must stop: near its time limit, or soon after SIGTERM, SIGUSR1 or SIGHUP."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from types import FrameType

GRACE_SECONDS = 20.0
"""Seconds after a signal until work that did not stop is given up; Slurm kills 30 seconds after SIGTERM."""

BOARD_SECONDS = 10.0
"""Seconds of a time limit that are left for the end of Ray and for the board, or a tenth of a short limit."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A run stops before it is complete. No cell has failed; the same command goes on."""


class Deadline:
    """The end of a run, which starts with this object.

    Cells stop after an outer step if `near` says so. For what does not stop in time, `watched` raises Stopped
    in the main thread. reason: why the run stopped, or left a cell out, else ""; over: whether the main
    thread was interrupted; moved: whether a cell of the run took an outer step or finished.
    """

    def __init__(self, time_limit: str | None = None) -> None:
        """Raise ValueError for a time limit that cannot be read."""
        self.time_limit, self.reason = time_limit, ""
        self._started, self._signalled, self.over, self.moved = monotonic(), False, False, False
        self._ends, self._timer = inf, threading.Timer(0, lambda: None)
        if time_limit is not None:
            seconds = parse(time_limit)
            self._ends = self._started + seconds - min(BOARD_SECONDS, seconds / 10)

    def near(self, needs: float = 0.0) -> bool:
        """Return whether the end is too near for work that takes `needs` seconds; then `reason` tells why."""
        if self._signalled or monotonic() + needs < self._ends:
            return self._signalled
        self.reason = self.reason or f"the time limit of {self.time_limit} is near"
        return True

    def check(self, needs: float = 0.0) -> None:
        """Raise Stopped if the end is too near for work that takes `needs` seconds."""
        if self.near(needs):
            raise Stopped(self.reason)

    def check_long_enough(self) -> None:
        """Raise ValueError if the time limit, and no signal, stopped a run that has done nothing yet."""
        if not (self._signalled or self.moved):
            raise ValueError(
                f"--time-limit {self.time_limit} is too short: after {monotonic() - self._started:.0f} s no "
                "cell had taken an outer step or finished; give it more time"
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen to signals in the body of the `with` statement; interrupt it some time after one.

        Signals that this process ignores, as `nohup` has it, stay ignored.
        """
        heard = (number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN)
        before = {number: signal.signal(number, self._hear) for number in heard}
        try:
            yield
        finally:
            self.rest()
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Prepare a run in the body of the `with` statement; from here on the time limit interrupts.

        Raises ValueError if the time limit is too short for the body, Stopped after a signal.
        """
        try:
            self.interrupt_at_the_end()
            yield
            self.check()
        except Stopped:
            self.check_long_enough()
            raise

    def give_up(self, reason: str) -> None:
        """Interrupt the main thread, from another thread; end the process if that does not help."""
        self._signalled, self.reason = True, reason
        self._interrupt()
        self._timer = threading.Timer(GRACE_SECONDS, self._leave)
        self._timer.daemon = True
        self._timer.start()

    def rest(self) -> None:
        """From now on interrupt only after a signal."""
        self._timer.cancel()
        self._ends, self.over = inf, False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.over:
            raise Stopped(self.reason)
        if not self._signalled:
            self._signalled, self.reason = True, f"{signal.Signals(number).name} came"
        self._ends = min(self._ends, monotonic() + GRACE_SECONDS)
        self.interrupt_at_the_end()

    def interrupt_at_the_end(self) -> None:
        """Raise Stopped in the main thread at the end; within `watched`."""
        self._timer.cancel()
        if self._ends < inf:
            self._timer = threading.Timer(max(0.0, self._ends - monotonic()), self._interrupt)
            self._timer.daemon = True
            self._timer.start()

    def _leave(self) -> None:
        sys.stdout.write(f"\n{stopped(self.reason)}\n")
        sys.stdout.flush()
        os._exit(os.EX_TEMPFAIL)

    def _interrupt(self) -> None:
        self.near(inf)
        self.over = True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def stopped(reason: object) -> str:
    """Return the last line of a stopped run."""
    return f"stopped, since {reason}; run the same command again to go on"


def parse(text: str, option: str = "--time-limit") -> float:
    """Return the seconds in a time such as 90s, 9m, 1h30m, 00:09:00 or 540, given by `option`.

    Raises ValueError for anything else.
    """
    parts = (
        re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
        or re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
        or re.fullmatch(r"()()(\d+(?:\.\d+)?)", text)
    )
    hours, minutes, seconds = (float(part or 0) for part in parts.groups()) if parts else (0.0, 0.0, 0.0)
    if total := 3600 * hours + 60 * minutes + seconds:
        return total
    raise ValueError(f"{option} {text!r}: write a time above 0, such as 90s, 9m, 1h30m, 00:09:00 or 540")
