"""Tries what a process that reads a foreign file must not do, confined by the layers that are named.

Prints JSON: the layers in force, and what came of each attempt, "" where it succeeded. Each is made in a fork
of this process, and has victims of its own: a listening port, a secret file, a sleeping process.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from suite.external.sandbox import confinement, landlock, seccomp

LIBC = ctypes.CDLL(None, use_errno=True)
MIB = 2**20


def system(number: int, *arguments: Any) -> None:
    if LIBC.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def call(name: str, *arguments: Any) -> None:
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def connect(family: int, kind: int, to: Any) -> None:
    with socket.socket(family, kind) as made:
        made.connect(to)
        made.send(b"secret")


def fork() -> None:
    if not os.fork():
        os._exit(0)


def many_files(path: Path) -> None:
    for _ in range(2 * confinement.FILES):
        os.open(path, os.O_RDONLY)


def raise_limits() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def loop() -> None:
    while True:
        pass


def attempts(place: Path, port: int, victim: int, output: int) -> dict[str, Callable[[], object]]:
    """Return what is tried. place: has a secret, and the folders `other` and `open`, which may be read."""
    mine, secret = place / "open" / "set", place / "secret"
    return {
        "tcp": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        "udp": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)),
        "unix": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, os.path.relpath(place / "socket")),
        "pair": socket.socketpair,
        "read": secret.read_text,
        "list": lambda: next((place / "other").iterdir(), ""),
        "environment": Path(f"/proc/{victim}/environ").read_bytes,
        "memory of": lambda: Path(f"/proc/{victim}/mem").open("rb"),
        "write": lambda: (place / "other" / "made").write_text("made"),
        "write beside": lambda: mine.with_name("made").write_text("made"),
        "write tmp": lambda: tempfile.TemporaryFile().write(b"made"),
        "overwrite": lambda: mine.open("r+").write("made"),
        "append": lambda: secret.open("a").write("made"),
        "truncate": lambda: os.truncate(mine, 0),
        "delete": mine.unlink,
        "rename": lambda: mine.rename(place / "other" / "set"),
        "folder": lambda: (place / "other" / "folder").mkdir(),
        "link": lambda: (place / "other" / "link").hardlink_to(secret),
        "symlink": lambda: (place / "other" / "symlink").symlink_to(secret),
        "pipe": lambda: os.mkfifo(place / "other" / "pipe"),
        "mode": lambda: secret.chmod(0o777),
        "times": lambda: os.utime(secret, (0, 0)),
        "fork": fork,
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "spawn": lambda: subprocess.run(["/bin/true"], check=True),
        "kill": lambda: os.kill(victim, signal.SIGTERM),
        "kill parent": lambda: os.kill(os.getppid(), 0),
        "trace": lambda: call("ptrace", 16, victim, 0, 0),
        "its limits": lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (60, 60)),
        "its priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 10),
        "root": lambda: os.chroot(place),
        "namespaces": lambda: call("unshare", 0x10000000 | 0x00020000),
        "io_uring": lambda: system(425, 4, ctypes.create_string_buffer(120)),
        "terminal": lambda: os.open("/dev/tty", os.O_RDONLY),
        "32 bits": lambda: system(0x40000000 | 41, socket.AF_INET, socket.SOCK_STREAM, 0),
        "memory": lambda: bytearray(600 * MIB),
        "files": lambda: many_files(mine),
        "much": lambda: os.pwrite(output, bytes(MIB), 2 * MIB),
        "limits": raise_limits,
        "time": loop,
    }


def tried(attempt: Callable[[], object], confine: Callable[[], Any]) -> str:
    """Return what came of an attempt in a fork: "" for success."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        said = ""
        try:
            confine()
            attempt()
        except BaseException as error:
            said = type(error).__name__ + ": " + str(error)
        os.write(write, said.encode() or b"done")
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(read) as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(status)
    # A program that took the fork's place says nothing, and ends well.
    return f"signal {-code}" if code else said.removeprefix("done")


def prepared(place: Path) -> Path:
    for folder in ("open", "other"):
        (place / folder).mkdir(parents=True)
    (place / "secret").write_text("secret")
    (place / "open" / "set").write_text("set")
    return place


def with_victims(name: str, place: Path) -> str:
    """Make one attempt, confined; return what came of it."""
    readable = [prepared(place) / "open", Path(sys.prefix), Path(sys.base_prefix)]
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        tempfile.TemporaryFile() as output,
        subprocess.Popen(["sleep", "60"]) as victim,
    ):
        local.bind(os.path.relpath(place / "socket"))
        local.listen()
        made = attempts(place, server.getsockname()[1], victim.pid, output.fileno())[name]
        try:
            return tried(made, lambda: confine(readable))
        finally:
            victim.kill()


def confine(readable: list[Path]) -> tuple[str, ...]:
    return confinement.confine(readable, memory=500 * MIB, seconds=1, written=2 * MIB)


def main(place: Path, layers: list[str], names: list[str]) -> None:
    """Try `names`, or everything, and print what came of it."""
    os.chdir(place)  # addresses of sockets are short
    if "namespace" not in layers:
        confinement._leave_network = lambda: False
    if "landlock" not in layers:
        landlock.restrict = lambda readable: False
    if "seccomp" not in layers:
        seccomp.restrict = lambda: False
    names = names or list(attempts(place, 0, 0, 0))
    found = {name: with_victims(name, place / str(number)) for number, name in enumerate(names)}
    forced = tried(lambda: sys.exit(" ".join(confine([place]))), lambda: None).split()[1:]
    sys.stdout.write(json.dumps({"layers": forced, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3:])
