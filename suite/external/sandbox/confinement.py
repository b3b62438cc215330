"""What a process gives up, for good, before it reads a file that it does not trust.

| layer | refuses | where |
|---|---|---|
| limits | more memory, processor time and open files; new processes | everywhere (processes: unless root) |
| namespace | the network, also loopback | Linux with user namespaces |
| landlock | to open files outside of a few folders, to change any file | Linux since 5.13 |
| seccomp | all but seventy system calls; so no sockets, processes, signals | Linux on x86-64 and ARM64 |

All layers that the kernel has are used: where one fails, another holds.
"""

import ctypes
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.external.sandbox import landlock, seccomp

FILES = 256
"""Files that may be open at once."""

LAYERS = ("limits", "namespace", "landlock", "seccomp")

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # of unshare
_DUMPABLE, _NO_NEW_PRIVILEGES = 4, 38  # of prctl


def confine(readable: Sequence[Path], *, memory: int, seconds: int, written: int) -> tuple[str, ...]:
    """Confine this process, which must have a single thread; return the names of the layers in force.

    readable: the folders below which files may be opened; memory: bytes besides those in use; seconds: of
    processor time besides those used; written: the largest size in bytes of a file that is written.
    """
    _limit(memory, seconds, written)
    layers = {"limits": True, "namespace": _leave_network()}
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_DUMPABLE, 0, 0, 0, 0)  # other processes of this user cannot look into it
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)  # which Landlock and seccomp demand
    layers |= {"landlock": landlock.restrict(readable), "seccomp": seccomp.restrict()}
    return tuple(name for name, there in layers.items() if there)


def told(layers: Sequence[str]) -> str:
    """Return in a sentence which layers confined the reader, and which ones this system lacks."""
    missing = [name for name in LAYERS if name not in layers]
    lacks = f"; this system lacks {' and '.join(missing)}, see SECURITY.md" if missing else ""
    return f"read in a process confined by {', '.join(layers)}{lacks}"


def _leave_network() -> bool:
    """Move this process into a network without devices; return whether the kernel does it."""
    return sys.platform == "linux" and int(ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)) == 0


def _limit(memory: int, seconds: int, written: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, written)
    _lower(resource.RLIMIT_NOFILE, FILES)
    _lower(resource.RLIMIT_NPROC, 0)
    # RLIMIT_DATA and not RLIMIT_AS, which would also count memory that torch only maps.
    try:
        status = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return  # not Linux: only the other limits and the checks apply
    taken = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    _lower(resource.RLIMIT_DATA, taken + memory)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
