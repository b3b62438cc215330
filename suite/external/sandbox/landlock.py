"""Landlock: the kernel lets a process read files below a few folders, and neither open nor change others.

Linux has it since 5.13 (man landlock). Later versions also refuse TCP, and signals to other processes.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on all processors
_VERSION, _BENEATH = 1, 1
_READ = 1 << 2 | 1 << 3  # files and folders
_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights to files can be refused, by the version since which it is so."""


def version() -> int:
    """Return the kernel's version of Landlock, 0 without it."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE, None, 0, _VERSION))


def restrict(readable: Iterable[Path]) -> bool:
    """Allow this thread only to read below `readable`; return whether the kernel does so."""
    found = version()
    if not found:
        return False
    files = (1 << max(rights for since, rights in _RIGHTS.items() if since <= found)) - 1
    attributes = struct.pack("QQQ", files, 0b11, 0b11)  # rights to files; TCP; abstract sockets and signals
    attributes = attributes[: 8 if found < 4 else 16 if found < 6 else 24]
    rules = _call(_CREATE, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        return all(_allow(rules, path) for path in readable) and _call(_RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: Path) -> bool:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return _call(_ADD, rules, _BENEATH, struct.pack("=Qi", _READ, handle), 0) == 0
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    wide = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *wide))
