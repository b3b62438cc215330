"""A gate before every change of a store's files: a process stops at the n-th one until it is told to go on.

An audit hook counts, so that a moment is an event and no time. What the processes of one command share is in
memory that they inherit: they are forks of the one that made the gate.
"""

import errno
import mmap
import os
import select
import struct
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

_SHARED = struct.Struct(
    "=qqqq"
)  # events so far, the event to stop at, number of the error, seconds of clocks
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_AFTERWARDS = {"os.rename": 1, "os.link": 1, "os.mkdir": 0, "os.remove": 0, "os.chmod": 0}
"""Events besides `open`, and which of their arguments is the file that changes."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of full disks, which allow that files are removed."""

_NOT_COUNTED = ("running", "driver.lock")
"""Files of a store that are written by the clock."""


class Gate:
    """The gate of one command. stop_at: the number of the event; 0 for none; of: the folder that counts."""

    def __init__(self, store: Path, stop_at: int = 0, of: str = "") -> None:
        self.store, self.of = store, of
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._put(0, stop_at, 0, 0)
        self._reached, self._arrive = os.pipe()
        self._wait, self._open = os.pipe()
        self.handles = (self._arrive, self._wait)

    @property
    def events(self) -> int:
        """How many changes of files there were."""
        return int(self._get()[0])

    def reached(self, watched: int, seconds: float) -> int:
        """Wait until a process is at the gate; return its id, or 0 if the one of `watched` ended before."""
        ready, _, _ = select.select([self._reached, watched], [], [], seconds)
        if self._reached in ready:
            return int.from_bytes(os.read(self._reached, 8), sys.byteorder)
        if not ready:
            raise TimeoutError(f"nothing happened for {seconds:.0f} s")
        return 0

    def let_go(self, *, error: int = 0, clock: float = 0.0) -> None:
        """Let the process go on. error: raised by every change of files from now on; clock: a jump."""
        self._put(self.events, 0, error, int(clock))
        os.write(self._open, b"!")

    def close(self) -> None:
        for handle in (self._reached, self._arrive, self._wait, self._open):
            os.close(handle)
        self._memory.close()

    # In the processes of the command

    def guard(self) -> None:
        """Watch this process and its forks; clocks of the suite jump as they are told."""
        sys.addaudithook(self._hear)
        _replace(time.time, lambda now=time.time: now() + self._get()[3])

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            name, _, flags = given
            if not flags & _WRITES:
                return
        elif event in _AFTERWARDS:
            name = given[_AFTERWARDS[event]]
        else:
            return
        if self._is_counted(name):
            self._pass(event, os.fspath(name))

    def _is_counted(self, name: object) -> bool:
        if (
            not isinstance(name, str | os.PathLike)
            or threading.current_thread() is not threading.main_thread()
        ):
            return False
        path = os.fspath(name)
        own = os.fspath(self.store) + os.sep
        if not isinstance(path, str) or not path.startswith(own):
            return False
        folder = Path(path[len(own) :]).parts[0]
        return folder == self.of if self.of else folder not in _NOT_COUNTED

    def _pass(self, event: str, path: str) -> None:
        events, stop_at, error, clock = self._get()
        self._put(events + 1, stop_at, error, clock)
        if events + 1 == stop_at:
            os.write(self._arrive, os.getpid().to_bytes(8, sys.byteorder))
            os.read(self._wait, 1)
            error = self._get()[2]
        if error and not (event == "os.remove" and error in _FULL):
            raise OSError(error, os.strerror(error), path)

    def _get(self) -> tuple[int, int, int, int]:
        return _SHARED.unpack_from(self._memory)

    def _put(self, *values: int) -> None:
        _SHARED.pack_into(self._memory, 0, *values)


def _replace(
    value: Callable[..., Any], by: Callable[..., Any], packages: Collection[str] = ("suite", "filelock")
) -> None:
    """Give modules of packages another function in place of one that they imported."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages:
            for own, found in list(vars(module).items()):
                if found is value:
                    setattr(module, own, by)
