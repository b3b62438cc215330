"""Disks that are full, read-only or broken: real ones where they can be mounted, and the system's calls."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.chaos.kinds.kind import Kind
from tests.support.chaos.world import Missed, World

FOLDERS = ("records", "artefacts", "checkpoints", "plan", "pictures")
SIZE = "size=600m,nr_inodes=20000"
"""Of the disk of the stores; a run wants 200 MiB and 1,000 files."""


def mount(*words: str | Path) -> bool:
    """Mount a disk, or change one; return whether it could be done."""
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


class Broken(Kind):
    """The run stops with exit code 2 and a sentence; nothing is recorded as failed."""

    codes = (2, 0)  # 0 if nothing was to be written any more but what may be left out
    weight = 3

    def after(self, world: World, code: int, output: str) -> None:
        last = output.strip().rpartition("\n")[2]
        world.expect(code != 2 or last.startswith("error: "), f"no error is the last line: {output}")


class Refusing(Broken):
    """Every change of a file gives this error, from a moment on."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{errno.errorcode[number]} from a write on")
        self.number = number

    def strike(self, world: World) -> dict[str, Any]:
        world.interrupt()
        return {"error": self.number}


class Full(Broken):
    """The disk of the store gets as small as what is on it, in bytes or in files."""

    def __init__(self, what: str) -> None:
        super().__init__(f"a disk without {what}")
        self.what = what

    def strike(self, world: World) -> None:
        disk, found = world.store.parent, os.statvfs(world.store)
        left = world.draw.randrange(4)  # pages, or files
        size = (found.f_blocks - found.f_bfree + left) * found.f_frsize
        to = f"size={size}" if self.what == "room" else f"nr_inodes={found.f_files - found.f_ffree + left}"
        if not os.path.ismount(disk) or not mount("-o", f"remount,{to}", disk):
            raise Missed
        world.interrupt()

    def after(self, world: World, code: int, output: str) -> None:
        mount("-o", f"remount,{SIZE}", world.store.parent)
        super().after(world, code, output)


class ReadOnly(Broken):
    """A folder of the store becomes read-only."""

    def strike(self, world: World) -> None:
        found = [path for name in FOLDERS if (path := world.store / name).is_dir()]
        if not found or not os.path.ismount(world.store.parent):
            raise Missed
        self.folder = world.draw.choice(found)
        if not mount("--bind", self.folder, self.folder):
            raise Missed
        world.interrupt()
        mount("-o", "remount,bind,ro", self.folder)

    def after(self, world: World, code: int, output: str) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)
        super().after(world, code, output)


KINDS: list[Kind] = [
    Full("room"),
    Full("inodes"),
    ReadOnly("a folder that becomes read-only"),
    *(Refusing(each) for each in (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.ESTALE)),
]
