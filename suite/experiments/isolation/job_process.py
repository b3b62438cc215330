"""Do jobs in a process of their own: follow it, stop it if it hangs, replace it if it died or is spoilt.

This side needs neither torch nor ray.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from threading import Thread
from typing import Any

from suite.experiments.cells.progress import Lost, Progress
from suite.experiments.isolation.orders import ATTEMPTS, LOST_CONNECTION, REPORT_SECONDS, Order
from suite.records.jobs import Job

KEPT_CHARACTERS = 20_000
"""The last so many characters that a process printed are kept for a traceback."""

MOST_LINES = 100
"""Lines of a cell's output that are shown."""

END_SECONDS = 5.0
"""Seconds that a process may take to end after it closed its connection."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from suite.experiments.isolation.child import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)

StepLimit = tuple[str, float]
"""The longest time of an outer step, as the user wrote it and in seconds."""


class ProcessLost(Exception):
    """The process died, or was stopped because it took too long. again: whether to try its cell again."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again


class JobProcess:
    """A process for jobs. It starts with the first job and is kept for the next ones while it is sound.

    step_limit: of an outer step, a start or an evaluation, None for no limit; said: called in another thread
    with each line that the process prints.
    """

    def __init__(
        self,
        store: Path,
        *,
        step_limit: StepLimit | None = None,
        checkpoint_seconds: float = 60.0,
        said: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.store, self.said = store.resolve(), said
        self.resources = dict[str, Any]()  # of the process
        self.step_limit, self.checkpoint_seconds = step_limit, checkpoint_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection
        self._reader: Thread
        self._printed = self._cell = self._doing = ""
        self._lines = 0

    def run(self, job: Job, resources: Mapping[str, Any]) -> Generator[Progress, None, None]:
        """Do the missing cells of a job and yield progress, as `job_runner.run` does.

        If the process dies, a new one goes on from the last checkpoint; after `ATTEMPTS` deaths the cell has
        failed. If the generator is closed early, the process writes a checkpoint. resources: the fields of
        `Resources`; a process with others is replaced. Raises DiskFault, or OSError if no process can work.
        """
        if self.resources != resources:
            self.close()
            self.resources = dict(resources)
        deaths, lost, failed = Counter[str](), dict[str, Lost](), set[str]()
        done = False
        try:
            while not done:
                self._cell, self._doing = job.id, "the start of the job"
                order = Order(job, self.store, self.checkpoint_seconds, frozenset(failed), lost)
                try:
                    done = yield from self._followed(order, failed)
                except ProcessLost as death:
                    self.close()
                    if self._cell in lost:
                        raise OSError(f"the failure of {job.label} cannot be recorded: {death}") from None
                    deaths[self._cell] += 1
                    if not death.again or deaths[self._cell] == ATTEMPTS:
                        lost[self._cell] = _lost(death, deaths[self._cell], self._printed)
        except GeneratorExit:
            raise
        except BaseException:
            self.close()  # it may be in the middle of its work
            raise

    def close(self) -> None:
        """End the process and those that it started."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._connection.close()
        process.wait()
        self._reader.join(timeout=1.0)  # a process that left the group may keep the pipe open

    def _followed(self, order: Order, failed: set[str]) -> Generator[Progress, None, bool]:
        """Yield the progress of a job; return False if another process has to go on with it."""
        if self._process is None:
            self._start()
        self._send(order)
        while True:
            kind, *told = self._heard()
            if kind == "progress":
                progress: Progress = told[0]
                failed |= {
                    cell for cell, each in progress.finished.items() if each.status in ("failed", "oom")
                }
                self._doing = f"a step after step {progress.step}" if progress.steps else progress.doing
                try:
                    yield progress
                except GeneratorExit:
                    self._stop()
                    raise
                self._send(True)
            elif kind == "ended":
                done, fresh = told
                if not fresh:
                    self.close()
                return bool(done)
            else:
                self._note(kind, told[0])

    def _note(self, kind: str, told: Any) -> None:
        if kind == "begun":
            self._cell, self._doing = told, "the start of the cell"
            self._printed, self._lines = "", 0
        elif kind == "moved":
            self._doing = told
        elif kind == "fault":
            raise told
        else:
            raise ProcessLost(str(told))

    def _stop(self) -> None:
        """Let the process write a checkpoint, and wait for it."""
        try:
            self._send(False)
            while True:
                kind, *told = self._heard()
                if kind == "ended":
                    break
                self._note(kind, told[0])
        except ProcessLost:
            self.close()

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        own = str(theirs.fileno()), str(os.getpid())
        environment = {"PYTHONUNBUFFERED": "1"}
        if self.resources.get("deterministic"):
            environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when CUDA starts
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path), *own],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C in a terminal is for the run alone
        )
        theirs.close()
        self._printed = ""
        self._reader = Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        try:
            self._send(self.resources)
            self._connection.recv()  # "ready"; no time limit, since slow file systems make the start slow
        except (ProcessLost, EOFError, OSError):
            self.close()
            last = self._printed.strip().rpartition("\n")[2]
            raise OSError(
                f"no process for jobs starts on this machine: {last or 'it printed nothing'}"
            ) from None

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on what the process prints, and keep the last part."""
        assert process.stdout is not None
        rest = ""
        with process.stdout as stream:
            while chunk := os.read(stream.fileno(), 2**16):
                *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
                rest = rest[-KEPT_CHARACTERS:]
                lines = [line for line in lines if not line.startswith("Extension modules: ")]  # of a crash
                self._printed = "\n".join([self._printed, *lines])[-KEPT_CHARACTERS:]
                for line in lines:
                    self._lines += 1
                    if self._lines <= MOST_LINES:
                        self.said(
                            line if self._lines < MOST_LINES else "… more lines of this cell are not shown"
                        )

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._death() from None

    def _heard(self) -> tuple[Any, ...]:
        """Return the next message; raises ProcessLost if none comes."""
        text, seconds = self.step_limit or ("", None)
        if not self._connection.poll(seconds and seconds + REPORT_SECONDS):
            raise ProcessLost(f"{self._doing} took longer than --step-timeout {text}", again=False)
        try:
            message: tuple[Any, ...] = self._connection.recv()
            return message
        except Exception:  # of any kind: a method may write into the connection
            raise self._death() from None

    def _death(self) -> ProcessLost:
        """Return how the process ended."""
        assert self._process is not None
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            code = LOST_CONNECTION
        if code == LOST_CONNECTION:
            return ProcessLost("its process lost the connection to the run; it may have closed all files")
        if code >= 0:
            return ProcessLost(f"its process left with exit code {code}")
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        hint = ", perhaps since memory ran out" if name == "SIGKILL" else ""
        return ProcessLost(f"its process was killed by {name}{hint}")


def _lost(death: ProcessLost, attempts: int, printed: str) -> Lost:
    times = f" ({attempts} times in a row)" if attempts > 1 else ""
    return Lost(f"{death}{times}", attempts, printed.strip())
