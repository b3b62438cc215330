"""The protocol that a store states, and whether its disk has room."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from suite.core.files.atomic_write import DiskFault, write_bytes
from suite.core.files.documents import read_json
from suite.records.stores import layout

FACTS = "store.json"
"""The file that says which protocol a store has."""

MIN_FREE_BYTES = 200 * 2**20
"""Bytes that must be free before a run starts."""

MIN_FREE_FILES = 1_000
"""Inodes that must be free before a run starts, where a disk has a limit of them."""


def stated(store: Path) -> Any:
    """Return the protocol that a store's file of facts states; None if it is missing or damaged."""
    return _protocol(store / FACTS)


def recorded(store: Path) -> int | None:
    """Return the protocol of a store's first readable record; None without one."""
    found = map(_protocol, layout.files(store / "records"))
    return next((protocol for protocol in found if isinstance(protocol, int)), None)


def write(store: Path, protocol: int) -> None:
    """Write a store's file of facts, unless it is there; raises DiskFault."""
    path, content = store / FACTS, json.dumps({"protocol": protocol}).encode() + b"\n"
    try:
        write_bytes(path, content)
    except DiskFault as fault:
        if fault.errno != errno.ENOENT or not store.is_dir():
            raise
        write_bytes(path, content)  # another run, which has the lock, swept what was half written


def _protocol(path: Path) -> Any:
    try:
        return read_json(path)["protocol"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def check_room(store: Path) -> None:
    """Raise ValueError if a store's disk has too little room for a run."""
    free = shutil.disk_usage(store).free
    if free < MIN_FREE_BYTES:
        raise ValueError(
            f"disk full: {free >> 20} MiB are free at {store}, {MIN_FREE_BYTES >> 20} MiB are needed"
        )
    found = os.statvfs(store)
    if found.f_files and found.f_favail < MIN_FREE_FILES:
        raise ValueError(
            f"disk full: {found.f_favail} inodes are free at {store}, {MIN_FREE_FILES} are needed; remove "
            "files, or choose another folder"
        )
