"""Commands of `ratbench` in forks of this process, which has imported all: each starts in milliseconds.

A run's process of jobs is a fork of the run, and not a new Python; signals, exit codes, file handles and the
death of a parent are the system's own.
"""

import io
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NoReturn

from suite.__main__ import app
from suite.cli.running import deadline
from suite.core.data import cache
from suite.core.execution import compile_cache
from suite.experiments import job_runner
from suite.experiments.cells import context, distillation, evaluation, reference
from suite.experiments.isolation import child, job_process
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.outer_loop import loop
from tests.support.chaos.gate import Gate
from tests.support.ray_nodes import below, send

SECONDS = 240.0
"""The longest that a command may take on a loaded machine."""


@dataclass
class Surroundings:
    """What a command finds. files: open files that the system allows; 0 for as many as here; modules: a file
    to which its processes write what they have imported.
    """

    environment: dict[str, str] = field(default_factory=dict)
    files: int = 0
    modules: Path | None = None


class Command:
    """A command that runs. started: a file to which its processes write what they begin."""

    def __init__(
        self, words: Sequence[str | Path], gate: Gate, started: Path, around: Surroundings | None = None
    ) -> None:
        self.words, self.gate = [str(word) for word in words], gate
        self._out = tempfile.TemporaryFile()  # noqa: SIM115
        self._log = os.open(started, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        around = around or Surroundings()
        sys.stdout.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            child._end_with(parent)
            _leave(lambda: self._become(around))
        os.close(self._log)
        self._handle = os.pidfd_open(self.pid)
        self.code: int | None = None

    def reaches_the_gate(self) -> int:
        """Return the process that stands at the gate; 0 if the command ended without one."""
        return self.gate.reached(self._handle, SECONDS)

    def processes_of_jobs(self) -> list[int]:
        return [pid for pid in below(self.pid) if pid != self.pid]

    def ends(self) -> int:
        """Wait for the end; return the exit code, below 0 for a signal."""
        if self.code is None:
            with suppress(TimeoutError):
                self.gate.reached(self._handle, SECONDS)
            self.kill()
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
            os.close(self._handle)
        return self.code

    def kill(self) -> None:
        """End what is left of a command that hangs."""
        if not select.select([self._handle], [], [], 0)[0]:
            send(below(self.pid), signal.SIGKILL)

    @property
    def output(self) -> str:
        self._out.seek(0)
        return self._out.read().decode(errors="replace")

    def close(self) -> None:
        self._out.close()

    def _become(self, around: Surroundings) -> int:
        os.setsid()
        _direct(os.open(os.devnull, os.O_RDONLY), self._out.fileno())
        _reset_signals()
        os.environ.update(around.environment)
        tempfile.tempdir = None
        self.gate.guard()
        _forget()
        _note_starts(self._log, around.modules)
        _fork_processes_of_jobs({*self.gate.handles, self._log})
        if around.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (around.files, around.files))
        sys.argv = ["ratbench", *self.words]
        try:
            app()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(bool(end.code))
        finally:
            _note_modules(around.modules)
        return 0


def said(words: Sequence[str | Path], gate: Gate, around: Surroundings | None = None) -> tuple[int, str]:
    """Run a command to its end beside others; return its exit code and its output."""
    command = Command(words, gate, Path(os.devnull), around)
    try:
        return command.ends(), command.output
    finally:
        command.close()


def _leave(become: Callable[[], int]) -> NoReturn:
    """Do the work of a fork, and end it whatever happens."""
    code = 1
    try:
        code = become()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _direct(stdin: int, output: int) -> None:
    os.dup2(stdin, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = io.TextIOWrapper(
        os.fdopen(1, "wb", closefd=False), errors="backslashreplace", line_buffering=True
    )
    sys.stderr = io.TextIOWrapper(
        os.fdopen(2, "wb", closefd=False), errors="backslashreplace", line_buffering=True
    )


def _reset_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in deadline.SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _note_modules(file: Path | None) -> None:
    if file:
        with file.open("a") as out:
            out.write("".join(f"{name}\n" for name in sorted(sys.modules)))


def prepare(modules: Path) -> None:
    """Import what processes of an earlier command wrote to a file."""
    for name in dict.fromkeys(modules.read_text().split()):
        with suppress(Exception):
            import_module(name)


def _forget() -> None:
    """Let this process read files again that the one from which it was forked had read."""
    for cached in (context.load_task, evaluation._times):
        cached.cache_clear()
    cache._checked.clear()
    compile_cache._read.clear()


def _note_starts(log: int, modules: Path | None) -> None:
    """Let a process write a line for each cell that it begins, and for each outer step that it took."""
    resume, evaluate, took, at = loop.resume, evaluation.evaluate, loop.Trajectory.took, [""]

    def note(*words: object) -> None:
        _note_modules(modules)
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    def resumed(start: Any, store: Any, cell: str, *around: Any) -> Any:
        run, trajectory = resume(start, store, cell, *around)
        at[0] = cell
        note("begins", cell, trajectory.step)
        return run, trajectory

    def noted(trajectory: loop.Trajectory, seconds: float) -> None:
        took(trajectory, seconds)
        note("step", at[0], trajectory.step)

    def evaluated(cell: Any, around: Any) -> Any:
        note("begins", cell.id, 0)
        return evaluate(cell, around)

    patches = (
        (distillation, "resume", resumed),
        (reference, "resume", resumed),
        (loop.Trajectory, "took", noted),
        (job_runner, "evaluate", evaluated),
    )
    for place, name, by in patches:
        setattr(place, name, by)


def _fork_processes_of_jobs(kept: set[int]) -> None:
    """Let runs fork their processes of jobs, with a checkpoint after every outer step. kept: open files."""

    def started(command: Sequence[str], **options: Any) -> "Forked":
        return Forked(command, kept, **options)

    names = {name: getattr(subprocess, name) for name in ("DEVNULL", "PIPE", "STDOUT", "TimeoutExpired")}
    vars(job_process)["subprocess"] = SimpleNamespace(Popen=started, **names)
    (JobProcess.__init__.__kwdefaults__ or {})["checkpoint_seconds"] = 0.0


class Forked:
    """A process of jobs, as `subprocess.Popen` would start it."""

    def __init__(
        self,
        command: Sequence[str],
        kept: set[int],
        *,
        pass_fds: Sequence[int],
        env: Mapping[str, str],
        **_: Any,
    ) -> None:
        ours, theirs = os.pipe()
        handle, parent = map(int, command[-2:])
        self.pid = os.fork()
        if self.pid == 0:
            _leave(lambda: self._become(theirs, {*pass_fds, *kept}, env, handle, parent))
        os.close(theirs)
        self.stdout: BinaryIO = os.fdopen(ours, "rb")
        self._code: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            handle = os.pidfd_open(self.pid)
            try:
                if not select.select([handle], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("the process of jobs", timeout or 0.0)
            finally:
                os.close(handle)
            _, status = os.waitpid(self.pid, 0)
            self._code = os.waitstatus_to_exitcode(status)
        return self._code

    @staticmethod
    def _become(output: int, kept: set[int], env: Mapping[str, str], handle: int, parent: int) -> int:
        os.setsid()
        _direct(os.open(os.devnull, os.O_RDONLY), output)
        for each in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if each > 2 and each not in kept:
                with suppress(OSError):
                    os.close(each)
        _reset_signals()
        os.environ.clear()
        os.environ.update(env)
        _forget()
        child.main(handle, parent)
        return 0
