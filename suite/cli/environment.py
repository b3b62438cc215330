"""What libraries expect of a process: open streams, a user with a name and a home, enough files."""

import atexit
import getpass
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO, cast

_STREAMS = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Give this process, and those that it starts, what they lack."""
    _open_streams()
    _name_user()
    _allow_files()


def mute(stream: TextIO | Any) -> None:
    """Write to nowhere from now on: whoever read the stream has ended, as in `ratbench run demo | head`."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _open_streams() -> None:
    """Open what was closed: the next files would take the numbers of the streams, and get what is printed."""
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    for name in _STREAMS[1:]:
        stream = cast(Any, getattr(sys, name))
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # not all locales have all characters


def _name_user() -> None:
    """Name a user whom the system does not know, and give it a home for this process where it has none."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"user-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.mkdtemp(prefix="ratbench-home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


def _allow_files() -> None:
    """Allow this process as many open files as the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
