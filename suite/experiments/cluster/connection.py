"""Start a Ray on this machine, or join a cluster; both with tokens."""

import atexit
import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._raylet import AuthenticationTokenLoader, Config, GcsClient  # type: ignore[attr-defined]
from ray.job_config import JobConfig

from suite.core.data.tasks import data_folder
from suite.experiments.cluster.ending import SIGNALS
from suite.experiments.cluster.watchdog import Service, watched

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"

HEAD_SECONDS, RAYLET_SECONDS = 20.0, 6.0
"""Seconds that a head, or the raylet of this machine, may be away. A head may be restarted; but after 60 s
without one Ray ends this process, which must write the board before. A raylet is not restarted."""

SOCKET_FOLDER = 35
"""The longest path of a temporary folder in bytes, so that Ray's sockets in it have paths of at most 103."""

ABANDON_SECONDS = 15.0
"""Seconds for the end of a lost Ray."""


@contextmanager
def connected(address: str | None, lost: Callable[[str], None]) -> Iterator[None]:
    """Start Ray on this machine, or join the cluster at `address`, for the body of the `with` statement.

    lost: called in a thread, with a reason, if Ray is lost; it is to interrupt the body.

    Our handlers of signals stay: those of Ray abort without cleaning up. While Ray ends, which removes them,
    signals wait. SIGUSR1 is blocked while a local Ray starts, and so in all of its processes: Slurm may send
    it to them, and it would end them. Raises ConnectionError if no cluster answers, ValueError if it refuses
    our token.
    """
    ours = {number: signal.getsignal(number) for number in SIGNALS}
    environment = {name: os.environ.get(name) for name in (MODE, TOKEN, TOKEN_PATH)}
    noticed = threading.Event()
    try:
        with _blocked({signal.SIGUSR1}, ours):
            _join(address) if address else _start()
        with watched(_needed(address), lost) as noticed:
            yield
    finally:
        with _blocked(SIGNALS, ours):
            _abandon() if noticed.is_set() else ray.shutdown()
        for name, value in environment.items():
            _set(name, value)


def _abandon() -> None:
    """End a lost Ray; give up after a while, since its end may hang."""
    atexit.unregister(ray.shutdown)
    ending = threading.Thread(target=ray.shutdown, daemon=True)
    ending.start()
    ending.join(ABANDON_SECONDS)


@contextmanager
def _blocked(signals: Collection[signal.Signals], handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Block signals in the body of the `with` statement; set the handlers at its end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _start() -> None:
    """Start Ray on this machine, on the loopback interface alone, whatever RAY_ADDRESS says."""
    _authenticate(_own_token())
    elsewhere, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        ray.init(
            address="local",
            job_config=_job(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100 * 2**20,
            _temp_dir=str(_short_folder()),
        )
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = elsewhere


class _Trusted(list[str]):
    """The folders that Ray puts first into the import path of workers: only that of this code.

    Ray would add the working directory, which may contain a stranger's `torch.py`.
    """

    def extend(self, paths: Iterable[str]) -> None:
        super().extend(path for path in paths if Path(path).resolve() == Path(__file__).resolve().parents[3])


def _job() -> JobConfig:
    made = JobConfig()
    made._py_driver_sys_path = _Trusted()
    return made


def _short_folder() -> Path:
    """Return a folder for Ray's sockets, whose paths must be short; raises ValueError without one."""
    for folder in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # nosec B108 # where Ray puts them anyway
        if len(os.fsencode(folder)) <= SOCKET_FOLDER and os.access(folder, os.W_OK):
            return Path(folder) / "ray"
    raise ValueError(
        f"the path of the temporary folder {tempfile.gettempdir()} is too long for Ray's sockets; set TMPDIR "
        f"to one of at most {SOCKET_FOLDER} bytes, or use --inline"
    )


@cache
def _own_token() -> str:
    """Return a token for a Ray of this process alone."""
    return secrets.token_hex(32)


def _join(address: str) -> None:
    """Join a cluster; with a warning if it has no token."""
    found, own = _located(address), _users_token()
    _authenticate(None)
    if _takes(found):
        warnings.warn(
            f"the Ray cluster at {found} has no token: anybody who reaches its ports can run commands as "
            f"its user; start it with {MODE}=token and {TOKEN_PATH}=FILE on every node",
            stacklevel=2,
        )
    elif not own:
        raise ValueError(
            f"the Ray cluster at {found} needs a token; set {TOKEN_PATH} to the file that has it, or {TOKEN}"
        )
    else:
        _authenticate(own)
        if not _takes(found):
            raise ValueError(
                f"the Ray cluster at {found} refuses our token; set {TOKEN_PATH} or {TOKEN} to the cluster's"
            )
    environment = {"RATBENCH_DATA": str(data_folder().resolve())}
    ray.init(
        address=found,
        job_config=_job(),
        runtime_env={"env_vars": environment},
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _located(address: str) -> str:
    """Return the host and port of a cluster; raises ConnectionError at once if none answers."""
    try:
        found = services.canonicalize_bootstrap_address(address)
        host, colon, port = (found or "").rpartition(":")
        if not (colon and port.isdecimal()):
            raise ValueError("write auto, or HOST:PORT")
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (ValueError, OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address}: {error}") from None
    return str(found)


def _takes(address: str) -> bool:
    """Return whether a cluster takes our calls, with the token of `_authenticate` or without one."""
    try:
        with _unheard():
            GcsClient(address=address).check_alive([], timeout=5)
    except ray.exceptions.AuthenticationError:
        return False
    return True


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what Ray's C++ code writes to the standard error about a refusal."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _users_token() -> str:
    """Return the user's token, found as by Ray; "" without one. Raises ValueError for an unreadable file."""
    if token := os.environ.get(TOKEN, "").strip():
        return token
    named = os.environ.get(TOKEN_PATH)
    try:
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # the last without a home folder
        if named:
            raise ValueError(f"{TOKEN_PATH}={named} cannot be read: {error}; name another file") from None
    return ""


def _authenticate(token: str | None) -> None:
    """Use this token in this process and its children; None to use none."""
    _set(TOKEN_PATH, None)
    _set(TOKEN, token)
    _set(MODE, "token" if token else "disabled")
    Config.initialize("")  # else Ray keeps what it read when it was imported, or in an earlier run
    AuthenticationTokenLoader.instance().reset_cache()


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _needed(address: str | None) -> list[Service]:
    """Return the processes of Ray that this one needs."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    own = next(node for node in nodes if node["NodeID"] == context.get_node_id())
    raylet = own["NodeManagerAddress"], own["NodeManagerPort"]
    if address is None:
        ended = "the local Ray ended: something killed it, as the system does where memory is short"
        return [Service(host, int(port), ended, RAYLET_SECONDS), Service(*raylet, ended, RAYLET_SECONDS)]
    return [
        Service(
            host,
            int(port),
            f"the head of the Ray cluster at {host}:{port} does not answer: start the cluster again",
            HEAD_SECONDS,
        ),
        Service(
            *raylet,
            f"the Ray of this node ended: start it again by `ray start --address={host}:{port}`",
            RAYLET_SECONDS,
        ),
    ]
