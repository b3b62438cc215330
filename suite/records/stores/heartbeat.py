"""Who works in a store: the driver of a run and each worker have a small file in `running/`.

A file is written every few seconds and removed at the end. That of a process which was killed stays, and is
recognised: on this machine by the process, elsewhere by the time of its last beat. That time is the disk's
own, so that no other clock matters, and after a jump of that one the next beat is right.
"""

import os
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from time import time
from types import TracebackType
from typing import Self

from pydantic import Field

from suite.core.files.atomic_write import write_bytes
from suite.core.files.documents import document
from suite.records.cells import Frozen

BEAT_SECONDS = 5.0
"""Seconds between two beats."""

DEAD_SECONDS = 60.0
"""Seconds without a beat after which a process counts as dead."""

DRIVER = "driver"
"""The name of the driver's file; a worker's is the id of its job."""


class Sign(Frozen):
    """A sign of life. Times are seconds since 1970.

    cell: the id of the cell in work, "" before the first; doing: what is done, in words; step, steps: outer
    steps, 0 without any; loss: the last one that was read; since: when work on it began; moved: when it last
    made progress; beat: when this was written.
    """

    cell: str = ""
    doing: str = ""
    step: int = 0
    steps: int = 0
    loss: float | None = None
    device: str = ""
    host: str
    pid: int = Field(gt=0, lt=2**31)
    since: float
    moved: float
    beat: float

    @property
    def where(self) -> str:
        """The process in words."""
        return f"process {self.pid} on {self.host}"


class Heartbeat:
    """Keeps a sign of life on disk in the body of the `with` statement; a store that is full has none."""

    def __init__(self, store: Path, name: str, doing: str, device: str = "") -> None:
        self._file, now = store / "running" / f"{name}.json", time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._sign = Sign(
            doing=doing,
            device=device,
            host=socket.gethostname(),
            pid=os.getpid(),
            since=now,
            moved=now,
            beat=now,
        )

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def begin(self, cell: str) -> None:
        """Note that work on a cell begins; it is written at once."""
        self.tell("starting", 0, 0)
        self._sign = self._sign.model_copy(update={"cell": cell, "since": self._sign.moved})
        self._write()

    def tell(self, doing: str, step: int, steps: int, loss: float | None = None) -> None:
        """Note progress, which the next beat writes."""
        changed = {"doing": doing, "step": step, "steps": steps, "loss": loss, "moved": time()}
        self._sign = self._sign.model_copy(update=changed)

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        """Write the sign atomically. It need not be on disk after a crash, so it is not synced."""
        text = self._sign.model_copy(update={"beat": time()}).model_dump_json()
        with suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            write_bytes(self._file, text.encode(), replace=True, sync=False)


def signs(store: Path) -> dict[str, Sign]:
    """Return the signs of processes that are alive, by the ids of their jobs; the driver's by `DRIVER`."""
    found, now = {}, None
    for path in sorted(store.glob("running/*.json")):
        with suppress(OSError, ValueError):
            sign = Sign.model_validate_json(document(path))
            now = now or _now(path.parent)
            fresh = abs(now - path.stat().st_mtime) <= DEAD_SECONDS
            if fresh and (sign.host != socket.gethostname() or exists(sign.pid)):
                found[path.stem] = sign
    return found


def _now(folder: Path) -> float:
    """Return the time by which a folder's disk dates files, or else this machine's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time()


def clear(store: Path) -> None:
    """Remove the signs of processes that were killed; for the one that holds the store's lock."""
    for path in store.glob("running/*"):
        with suppress(OSError):
            path.unlink()


def exists(pid: int) -> bool:
    """Return whether this machine has a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
