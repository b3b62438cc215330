"""A run's store on an object store: who has it, what a job's files do there, and what is refused."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from suite.experiments import grid
from suite.records.jobs import Job
from suite.records.remote import place, working
from suite.records.remote.place import RemoteFault
from suite.records.remote.working import RemoteStore
from suite.records.store import Store
from suite.records.stores.heartbeat import Sign
from tests.support.s3_server import S3Server


@pytest.fixture
def job(finished: tuple[Path, Path, Any]) -> Job:
    return next(job for job in grid.jobs(grid.load(finished[0])) if job.label == "rat_bptt")


@pytest.fixture
def remote(url: str) -> RemoteStore:
    made = working.create(Path(url))
    assert isinstance(made, RemoteStore)
    return made


@pytest.fixture
def elsewhere(url: str, tmp_path: Path) -> RemoteStore:
    """The same store on another machine, which has its own copy."""
    return RemoteStore(place.Place(url), tmp_path / "elsewhere").prepared()


def below(remote: Store) -> str:
    return remote.address.removeprefix("s3://bucket/")


def signed(s3: S3Server, remote: Store, **changes: Any) -> None:
    """Give the store a driver."""
    sign: dict[str, Any] = {
        "doing": "run",
        "host": "other",
        "pid": 1,
        "since": 1.0,
        "moved": 1.0,
        "beat": 1.0,
    } | changes
    s3.write(f"{below(remote)}/running/driver.json", Sign(**sign).model_dump_json().encode())


def gone() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_a_folder_is_a_store_as_before(tmp_path: Path) -> None:
    made = working.create(Path(f"file://{tmp_path}/store"))
    assert type(made) is Store and made.path == tmp_path / "store" and made.path.is_dir()
    assert working.of_worker(made.address).path == made.path


def test_a_new_store_states_its_protocol(remote: RemoteStore, s3: S3Server) -> None:
    assert s3.contents(below(remote)) == {"/store.json": b'{"protocol": 2}\n'}


def test_a_store_of_another_protocol_is_refused(url: str, s3: S3Server) -> None:
    s3.write(f"{url.removeprefix('s3://bucket/')}/store.json", b'{"protocol": 1}')
    with pytest.raises(ValueError, match=r"has protocol 1, this release writes protocol 2"):
        working.create(Path(url))


def test_one_driver_at_a_time(remote: RemoteStore, elsewhere: RemoteStore, s3: S3Server) -> None:
    with remote.locked():
        with pytest.raises(ValueError, match=rf"{remote.address} is in use by process {os.getpid()} on "):
            elsewhere.locked().__enter__()
        assert f"{below(remote)}/running/driver.json" in s3.names()
    with elsewhere.locked():
        pass
    assert s3.names(f"{below(remote)}/running") == []


@pytest.mark.parametrize("sign", [{"host": socket.gethostname()}, {"host": "other"}, None])
def test_the_lock_of_a_driver_that_was_killed_is_taken_over(
    sign: dict[str, str] | None, remote: RemoteStore, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine at once; elsewhere, or without a readable sign, a minute after its last one."""
    if sign is None:
        s3.write(f"{below(remote)}/running/driver.json", b"{")
    else:
        signed(s3, remote, pid=gone(), **sign)
    if sign != {"host": socket.gethostname()}:
        with pytest.raises(ValueError, match="in use by"):
            remote.locked().__enter__()
        monkeypatch.setattr(working, "DEAD_SECONDS", -1.0)
    with remote.locked():
        assert str(os.getpid()).encode() in s3.read(f"{below(remote)}/running/driver.json")


def test_a_driver_that_lost_its_lock_is_told(
    remote: RemoteStore, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BEAT_SECONDS", 0.05)
    told, heard = list[str](), Event()
    with remote.locked(lost=lambda reason: (told.append(reason), heard.set())):  # type: ignore[func-returns-value, arg-type]
        assert not heard.wait(0.3)
        for _ in range(60):  # a renewal under way may write over it, of which the other one would be told
            signed(s3, remote)
            if heard.wait(1):
                break
    assert told[0] == f"process 1 on other took over store {remote.address}"
    assert b'"other"' in s3.read(f"{below(remote)}/running/driver.json"), "which stays the other one's"


def test_signs_of_workers_that_were_killed_are_removed(remote: RemoteStore, s3: S3Server) -> None:
    s3.write(f"{below(remote)}/running/{'0' * 64}.json", b"{}")
    with remote.locked():
        assert s3.names(f"{below(remote)}/running") == [f"{below(remote)}/running/driver.json"]


def work(store: Store, source: Path, *names: str) -> Iterator[str]:
    """Write files of a finished store one after another, as a job does."""
    for name in names:
        target = store.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / name).read_bytes())
        yield name


def names_of(job: Job, source: Path) -> list[str]:
    own = [path for path in sorted(source.rglob(f"{job.id}*")) if path.is_file()]
    return [path.relative_to(source).as_posix() for path in own if path.parts[-2] != "jobs"]


def test_each_file_is_there_when_a_job_reports_it(
    elsewhere: RemoteStore, job: Job, finished: tuple[Path, Path, Any], s3: S3Server
) -> None:
    names = names_of(job, finished[1])
    assert len(names) == 3
    for name in elsewhere.following(job, (each for each in work(elsewhere, finished[1], *names))):
        assert s3.read(f"{below(elsewhere)}/{name}") == (finished[1] / name).read_bytes()
    assert not list(elsewhere.path.rglob(f"{job.id}*")), "a worker's copy has nothing of a job that is over"
    elsewhere.close()
    assert not elsewhere.path.exists()


def test_what_a_job_wrote_when_it_is_stopped_is_sent(
    remote: RemoteStore, job: Job, finished: tuple[Path, Path, Any], s3: S3Server
) -> None:
    """Closed early, a job writes a checkpoint."""
    checkpoint = remote.path / "checkpoints" / job.id / f"{1:09d}-{'0' * 16}.pt"

    def stopped() -> Iterator[str]:
        try:
            yield "step"
        finally:
            checkpoint.parent.mkdir(parents=True)
            checkpoint.write_bytes(b"state")

    with closing(remote.following(job, (each for each in stopped()))) as reports:
        next(reports)
    sent = f"{below(remote)}/{checkpoint.relative_to(remote.path).as_posix()}"
    assert s3.names(f"{below(remote)}/checkpoints") in ([], [sent])


def test_a_job_is_closed_when_its_files_cannot_be_sent(
    remote: RemoteStore,
    job: Job,
    finished: tuple[Path, Path, Any],
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, "PATIENCE_SECONDS", 0.0)
    closed = list[bool]()

    def doing() -> Iterator[str]:
        s3.down()
        try:
            yield from work(remote, finished[1], *names_of(job, finished[1]))
        finally:
            closed.append(True)

    try:
        with pytest.raises(RemoteFault, match=r"does not answer as it should \(Could not connect"):
            list(remote.following(job, (each for each in doing())))
    finally:
        s3.up()
    assert closed == [True]


def test_copies_of_workers_that_were_killed_are_removed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: RemoteStore
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, other = (tmp_path / f"ratbench-store-{pid}-x" for pid in (gone(), os.getpid()))
    for folder in (left, other):
        folder.mkdir()
    own = working.of_worker(url)
    assert own.path.parent == tmp_path and not left.exists() and other.exists()


def test_no_file_of_a_copy_has_credentials(remote: RemoteStore, s3: S3Server) -> None:
    with remote.locked():
        pass
    secrets = [value.encode() for name, value in s3.environment.items() if "KEY" in name]
    files = [path for path in remote.path.parent.rglob("*") if path.is_file()]
    assert files and not any(secret in path.read_bytes() for path in files for secret in secrets)
