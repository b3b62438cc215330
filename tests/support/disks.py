"""Disks that are full, without inodes or read only, and what may happen to a file."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOUNTS = os.geteuid() == 0 and subprocess.run(["mount", "--version"], capture_output=True).returncode == 0

needs_mounts = pytest.mark.skipif(not MOUNTS, reason="only root can mount a disk")


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount an empty tmpfs with these options at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Give a folder a disk without room."""
    with mounted(folder, "size=4k") as disk:
        (disk / "ballast").write_bytes(bytes(4096))
        yield


@contextmanager
def without_inodes(folder: Path) -> Iterator[None]:
    """Give a folder a disk that takes no more files."""
    with mounted(folder, "size=1m", "nr_inodes=1"):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Give a folder a disk that is not written."""
    with mounted(folder, "size=1m", "ro"):
        yield


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """Flip a bit in the middle; in JSON one of the first digit, so that it stays JSON with another value."""
    content = bytearray(path.read_bytes())
    digits = (place for place, byte in enumerate(content) if 48 <= byte < 56)
    place = next(digits) if path.suffix == ".json" else len(content) // 2
    content[place] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_full_folder(path: Path) -> None:
    a_folder(path)
    (path / "file").touch()


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


Damage = Callable[[Path], None]

DAMAGES: list[Damage] = [
    truncated,
    flipped,
    emptied,
    deleted,
    a_folder,
    a_full_folder,
    a_link_to_nowhere,
    a_link_to_itself,
    a_pipe,
]
"""All that may happen to a file."""
