"""Ray has tokens: its own on this machine, where it listens on loopback alone, and those of clusters."""

import colorsys
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import create_server

import pytest
import ray

from suite.experiments.cluster import connection
from suite.experiments.cluster.connection import connected
from tests.support.ray_nodes import Cluster, below, cluster

STRANGER = """
import os, sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="FATAL")
@ray.remote
def mine():
    return os.getpid()
print("ran", ray.get(mine.remote(), timeout=20))
"""
"""A program that runs a command on a cluster whose address it knows."""

REFUSED = "AuthenticationError"


def worker() -> int:
    """Return the process of a worker."""
    return int(ray.get(ray.remote(lambda: os.getpid()).remote()))


def strangers(address: str, *environments: dict[str, str]) -> list[str]:
    """Return what programs say that run a command, each in its environment, which must not lead elsewhere."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    clean["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # 127.0.0.1 stays what it is
    clean["RAY_NUM_REDIS_GET_RETRIES"] = "2"  # refused, they would ask for twenty seconds
    command, pipe = [sys.executable, "-c", STRANGER, address], subprocess.PIPE
    started = [
        subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env={**clean, **each})
        for each in environments
    ]
    return [each.communicate(timeout=120)[0] for each in started]


def listening(pids: list[int]) -> set[str]:
    """Return the addresses at which these processes take TCP connections, as hexadecimal digits."""
    owned = set[str]()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                owned.add(str(link.readlink()))
            except OSError:  # closed meanwhile
                continue
    found = set[str]()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, _, state, *rest = line.split()[1:]
            if state == "0A" and f"socket:[{rest[5]}]" in owned:
                found.add(local.partition(":")[0])
    return found


LOOPBACK = {"0100007F", "0" * 16 + "FFFF0000" + "0100007F", "0" * 24 + "01000000"}
"""127.0.0.1, the same as an IPv6 address, and ::1."""


def imported() -> str:
    """Return from where a worker imports a module of Python's own."""
    return str(ray.get(ray.remote(lambda: __import__("colorsys").__file__).remote()))


def niceness() -> int:
    """Return that of a worker: lower priority than what else runs would cost trials seconds."""
    return int(ray.get(ray.remote(lambda: os.nice(0)).remote()))


def test_a_local_ray_listens_on_loopback_and_refuses_strangers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the environment says: RAY_ADDRESS, no authentication, no home folder.

    Nor do workers import what lies in the working directory.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colorsys.py").write_text("planted = True\n")
    monkeypatch.setenv("RAY_ADDRESS", "10.255.255.1:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nowhere/token")
    monkeypatch.setenv("HOME", "/nowhere")
    with create_server(("0.0.0.0", 0)) as server:
        assert "00000000" in listening([os.getpid()]), "the test sees what listens everywhere"
        server.close()
    with connected(None, print):
        assert worker() != os.getpid()
        assert imported() == colorsys.__file__
        assert niceness() == os.nice(0)
        found = listening(below(os.getpid()))
        assert found and found <= LOOPBACK
        address = ray.get_runtime_context().gcs_address
        assert address.startswith("127.0.0.1:")
        own = {name: os.environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
        assert own["RAY_AUTH_MODE"] == "token" and len(own["RAY_AUTH_TOKEN"]) == 64
        without, guessed, known = strangers(address, {}, {**own, "RAY_AUTH_TOKEN": "guess"}, own)
        assert "ran" in known.split(), known
        for said in (without, guessed):
            assert "ran" not in said.split() and REFUSED in said
    assert os.environ["RAY_AUTH_MODE"] == "disabled" and "RAY_AUTH_TOKEN" not in os.environ


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    with cluster("the-token-of-this-cluster") as found:
        yield found


def test_a_cluster_with_a_token_is_joined_by_it_alone(
    guarded: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)

    def refused(why: str) -> None:
        with pytest.raises(ValueError, match=why), connected(guarded.address, print):
            pass

    refused(r"the Ray cluster at .* needs a token; set RAY_AUTH_TOKEN_PATH to the file that has it")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    refused(r"the Ray cluster at .* refuses our token; set RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    refused(r"RAY_AUTH_TOKEN_PATH=.*none cannot be read: .*; name another file")
    assert "nauthenticated" not in capfd.readouterr().err

    (tmp_path / "token").write_text(guarded.token + "\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with connected(guarded.address, print):
        assert worker() in guarded.head.pids
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(guarded.token)
    monkeypatch.setenv("RAY_ADDRESS", guarded.address)
    with connected("auto", print):
        assert worker() in guarded.head.pids


def test_a_cluster_without_a_token_is_joined_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-another-cluster")
    with cluster() as open_:
        warning = pytest.warns(
            UserWarning, match="has no token: anybody who reaches its ports can run commands"
        )
        with warning, connected(open_.address, print):
            assert worker() in open_.head.pids


@pytest.mark.parametrize("address", ["nonsense", "10.0.0.1", "localhost:abc", "127.0.0.1:9", "a:99999"])
def test_a_cluster_that_is_not_there_is_refused_at_once(address: str) -> None:
    with (
        pytest.raises(ConnectionError, match=f"no Ray cluster answers at {address}: "),
        connected(address, print),
    ):
        pass


def test_a_signal_while_ray_ends_waits_for_our_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray sets the default handler, which ends the process."""
    heard: list[int] = []

    def end() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        assert not heard

    monkeypatch.setattr(connection, "_start", lambda: None)
    monkeypatch.setattr(connection, "_needed", lambda address: [])
    monkeypatch.setattr("ray.shutdown", end)
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with connected(None, print):
            pass
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
