"""CPU time of this process and of those that it started."""

from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import process_time


def own() -> float:
    """Return the CPU time of all threads of this process, and of those that it started and that ended."""
    return process_time() + ended()


def ended() -> float:
    """Return the CPU time of the processes that this one started and that ended."""
    found = getrusage(RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def running() -> float:
    """Return the CPU time of all processes below this one, which run now, and of those that they started."""
    if not _has_children():
        return 0.0
    import psutil

    found = 0.0
    for each in psutil.Process().children(recursive=True):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it has just ended
        found += times.user + times.system + times.children_user + times.children_system
    return found


def _has_children() -> bool:
    """Return whether a process that this one started runs; True if the system does not tell it at once."""
    threads = list(Path("/proc/self/task").glob("*/children"))
    with suppress(OSError):  # a thread has just ended
        return not threads or any(thread.read_text() for thread in threads)
    return True
