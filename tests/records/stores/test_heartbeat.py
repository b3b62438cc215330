"""Signs of life: written while a process works, removed at its end, and not believed of the dead."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep, time

import pytest

from suite.records.stores import heartbeat
from suite.records.stores.heartbeat import DEAD_SECONDS, Heartbeat, Sign, clear, signs


def sign(**changes: object) -> Sign:
    own = {"host": socket.gethostname(), "pid": os.getpid(), "since": 0.0, "moved": 0.0, "beat": time()}
    return Sign.model_validate({**own, **changes})


def put(store: Path, name: str, found: Sign, age: float = 0.0) -> Path:
    """Write a sign that was written `age` seconds ago."""
    path = store / "running" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.model_dump_json())
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))
    return path


def dead() -> int:
    """Return the id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_sign_is_there_while_the_body_runs(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "a job", "starting", "a CPU") as alive:
        found = signs(tmp_path)["a job"]
        assert (found.cell, found.doing, found.pid, found.device) == ("", "starting", os.getpid(), "a CPU")
        alive.begin("a cell")
        found = signs(tmp_path)["a job"]
        assert found.cell == "a cell" and abs(found.since - time()) < 5
    assert signs(tmp_path) == {} and list((tmp_path / "running").iterdir()) == []


def test_progress_is_written_by_the_next_beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    with Heartbeat(tmp_path, "a job", "starting") as alive:
        alive.begin("a cell")
        first = signs(tmp_path)["a job"]
        alive.tell("distilling", 3, 10)
        until = time() + 10
        while (found := signs(tmp_path)["a job"]).step != 3 and time() < until:
            sleep(0.01)
        assert (found.step, found.steps, found.doing) == (3, 10, "distilling")
        assert found.since == first.since and found.moved > first.moved and found.beat > first.beat


def test_progress_is_not_written_at_once(tmp_path: Path) -> None:
    """A step may take a millisecond."""
    with Heartbeat(tmp_path, "a job", "starting") as alive:
        before = (tmp_path / "running" / "a job.json").read_bytes()
        for step in range(1000):
            alive.tell("distilling", step, 1000)
        assert (tmp_path / "running" / "a job.json").read_bytes() == before


def test_an_error_of_the_body_ends_it_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Heartbeat(tmp_path, "a job", "starting"):
        raise RuntimeError
    assert signs(tmp_path) == {}


def test_a_store_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "running").write_text("no folder")
    with Heartbeat(tmp_path, "a job", "starting") as alive:
        alive.begin("a cell")
    assert signs(tmp_path) == {}


def test_a_process_that_was_killed_is_not_alive(tmp_path: Path) -> None:
    put(tmp_path, "killed", sign(pid=dead()))
    put(tmp_path, "alive", sign())
    assert list(signs(tmp_path)) == ["alive"]


def test_another_host_is_judged_by_its_last_beat(tmp_path: Path) -> None:
    put(tmp_path, "works", sign(host="node7", pid=dead()))
    put(tmp_path, "gone", sign(host="node8", pid=os.getpid()), age=DEAD_SECONDS + 1)
    assert list(signs(tmp_path)) == ["works"]


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 3600.0, 1e9])
def test_neither_the_readers_nor_the_writers_clock_matters(
    jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "elsewhere", sign(host="node7", beat=time() + jump))
    put(tmp_path, "gone", sign(host="node8"), age=DEAD_SECONDS + 1)
    monkeypatch.setattr(heartbeat, "time", lambda: time() + jump)
    with Heartbeat(tmp_path, "here", "starting"):
        assert list(signs(tmp_path)) == ["elsewhere", "here"]


@pytest.mark.parametrize("age", [-1e6, 1e6])
def test_after_a_jump_of_the_disks_clock_the_next_beat_is_right(age: float, tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "here", "starting") as alive:
        put(tmp_path, "here", sign(), age=age)
        assert signs(tmp_path) == {}
        alive.begin("a cell")
        assert list(signs(tmp_path)) == ["here"]


def test_a_pid_that_another_process_has_now_is_not_believed(tmp_path: Path) -> None:
    put(tmp_path, "old", sign(), age=DEAD_SECONDS + 1)
    assert signs(tmp_path) == {}


def test_a_pipe_among_the_signs_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, "alive", sign())
    os.mkfifo(tmp_path / "running" / "pipe.json")
    assert list(signs(tmp_path)) == ["alive"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        json.dumps({"host": "h", "pid": -1, "since": 0, "moved": 0, "beat": 1e18}).encode(),
        json.dumps({"host": "h", "pid": 10**30, "since": 0, "moved": 0, "beat": 1e18}).encode(),
    ],
)
def test_what_is_no_sign_is_ignored(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "broken", sign()).write_bytes(content)
    assert signs(tmp_path) == {}


def test_the_next_driver_clears_the_dead(tmp_path: Path) -> None:
    put(tmp_path, "killed", sign(pid=dead()))
    (tmp_path / "running" / "a.partial-1-2").write_text("{")
    clear(tmp_path)
    assert list((tmp_path / "running").iterdir()) == []
