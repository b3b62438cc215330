"""Nodes of Ray on this machine, each a tree of processes that can be killed or frozen."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from time import monotonic, sleep

import pytest

RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    with socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


def parents() -> dict[int, int]:
    """Return the parent of each process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def below(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found, of = [pid], parents()
    for each in found:
        found += [child for child, parent in of.items() if parent == each]
    return found


def named(pids: list[int], name: str) -> list[int]:
    """Return those of the processes whose command or title has this name."""
    lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
    return [pid for pid, line in lines.items() if line.exists() and name in line.read_text().split("\0")[0]]


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def until(holds: Callable[[], object], seconds: float = 120.0, every: float = 0.1) -> None:
    """Wait until `holds()` is true."""
    end = monotonic() + seconds
    while not holds():
        if monotonic() > end:
            pytest.fail(f"not within {seconds:g} s: {holds}")
        sleep(every)


class Node:
    """A node that runs: `ray start --block` and what it started."""

    def __init__(self, *words: str, token: str = "", cpus: int = 1, log: Path | None = None) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token" if token else "disabled"}
        environment |= {"RAY_AUTH_TOKEN": token} if token else {}
        command = [
            str(RAY),
            "start",
            "--block",
            f"--num-cpus={cpus}",
            "--object-store-memory=80000000",
            *words,
        ]
        with (log or Path(os.devnull)).open("w") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    @property
    def pids(self) -> list[int]:
        return below(self.process.pid)

    def has(self, name: str) -> bool:
        return bool(named(self.pids, name))

    def kill(self) -> None:
        """Kill all of its processes at once."""
        pids = self.pids
        send(pids, signal.SIGSTOP)  # so that none starts another one
        send(pids, signal.SIGKILL)
        self.process.wait()


class Cluster:
    """A head on a free port, and nodes that join it."""

    def __init__(self, folder: str, token: str = "", cpus: int = 1, *words: str) -> None:
        self.token, self.folder, self.port = token, folder, free_port()
        self.head = Node(
            "--head",
            f"--port={self.port}",
            f"--temp-dir={folder}",
            "--include-dashboard=false",
            f"--ray-client-server-port={free_port()}",
            f"--dashboard-agent-listen-port={free_port()}",
            *words,
            token=token,
            cpus=cpus,
        )
        self.nodes = [self.head]
        until(self.answers, 60)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answers(self) -> bool:
        with socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def join(self, *words: str, cpus: int = 1) -> Node:
        """Add a node."""
        ports = ("--dashboard-agent-listen-port", "--metrics-export-port")
        free = [f"{name}={free_port()}" for name in ports]
        node = Node(f"--address={self.address}", *free, *words, token=self.token, cpus=cpus)
        self.nodes.append(node)
        until(lambda: node.has("raylet"), 60)
        return node


@contextmanager
def cluster(token: str = "", cpus: int = 1, *words: str) -> Iterator[Cluster]:
    """Start a cluster; its folder has a short path, since sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        made = Cluster(folder, token, cpus, *words)
        try:
            yield made
        finally:
            for node in made.nodes:
                node.kill()
