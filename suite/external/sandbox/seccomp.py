"""seccomp: the kernel refuses a process all system calls but those that reading needs.

A refused call fails as on a kernel without it, which libraries expect. No allowed call makes sockets or
processes, sends signals, or changes files other than open ones.
"""

import ctypes
import os
import struct
import sys

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH of a processor, and its place in the table of numbers."""

_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "preadv": (295, 69),
    "close": (3, 57),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "stat": (4, None),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "dup": (32, 23),
    "dup3": (292, 24),
    "flock": (73, 32),
    "fadvise64": (221, 223),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "mincore": (27, 232),
    "brk": (12, 214),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrusage": (98, 165),
    "times": (100, 153),
    "getrlimit": (97, 163),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "poll": (7, None),
    "ppoll": (271, 73),
}
"""System calls by their numbers on each machine."""

_OPEN: dict[str, tuple[int | None, int | None]] = {"open": (2, None), "openat": (257, 56)}
_OPEN_FLAGS = {"open": 1, "openat": 2}  # which argument
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_SECCOMP, _FILTER = 22, 2  # of prctl
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x45, 0x06  # of the filter's machine
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _MACHINE, _ARGUMENT = 0, 4, 16  # offsets in what the filter sees
_MISSING, _DENIED = 38, 13  # ENOSYS, EACCES


def restrict() -> bool:
    """Refuse this thread all other system calls; return whether the kernel does so."""
    if sys.platform != "linux" or (machine := os.uname().machine) not in _MACHINES:
        return False
    content = program(machine)
    held = ctypes.create_string_buffer(content)
    described = struct.pack("HxxxxxxP", len(content) // 8, ctypes.addressof(held))
    return bool(ctypes.CDLL(None).prctl(_SECCOMP, _FILTER, described, 0, 0) == 0)


def program(machine: str) -> bytes:
    """Return the filter for a machine, in eight bytes for each instruction."""
    architecture, column = _MACHINES[machine]
    refuse, allow = (_RETURN, 0, 0, _REFUSE | _MISSING), (_RETURN, 0, 0, _ALLOW)
    made = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, architecture), refuse, (_LOAD, 0, 0, _NUMBER)]
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            made += [(_EQUAL, 0, 1, number), allow]
    for name, numbers in _OPEN.items():
        if (number := numbers[column]) is not None:
            made += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, _ARGUMENT + 8 * _OPEN_FLAGS[name]),  # its lower half: both are little-endian
                (_AND, 0, 1, _WRITING),
                (_RETURN, 0, 0, _REFUSE | _DENIED),
                allow,
            ]
    return b"".join(struct.pack("HBBI", *each) for each in (*made, refuse))
