"""What a program takes in a process of its own: seconds by the clock and of the processor, peak memory."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter

ROOT = Path(__file__).parents[2]

COMMAND_LINE = "from suite.__main__ import app\napp()"

_TELL = """
import atexit, sys
def tell(target=sys.argv.pop(1)):
    with open("/proc/self/status") as lines, open(target, "w") as told:
        told.write(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
atexit.register(tell)
"""
"""Makes a program tell its own peak at its end: that of `wait4` may be of the process which started it."""


def measured(words: Sequence[object], code: str = COMMAND_LINE) -> dict[str, float]:
    """Run Python code with arguments; raises ValueError if it fails.

    Returns `seconds`, `processor_seconds` with those of all that it waited for, and `peak_bytes`.
    """
    with NamedTemporaryFile("r") as told:
        started, command = perf_counter(), [sys.executable, "-c", _TELL + code, told.name, *map(str, words)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds, peak = perf_counter() - started, told.read()
    if process.returncode:
        raise ValueError(f"{words} ended with {process.returncode}")
    return {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": 1024 * int(peak),
    }
