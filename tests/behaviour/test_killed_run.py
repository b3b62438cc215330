"""The status of a run in another process, while it works, and after it was killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.support import broken_files
from tests.support.command_line import ratbench, refused
from tests.support.grids import QUICK

SECONDS = 120.0


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A grid with a method that takes a second for each outer step."""
    (tmp_path / "slow.py").write_text(broken_files.SLOW)
    grid = tmp_path / "slow.toml"
    head, _, tail = QUICK.partition("[method.random_subset]")
    tail = tail[tail.index("[evaluator") :]
    grid.write_text(f'{head}\n[method.slow]\nbase = "{tmp_path / "slow.py"}"\nsteps = 500\n\n{tail}')
    return grid


@pytest.fixture
def run(slow: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "suite",
        "run",
        str(slow),
        "--store",
        str(tmp_path / "store"),
        "--inline",
    ]
    with (tmp_path / "out").open("wb") as out:
        started = subprocess.Popen(command, stdout=out, stderr=out)
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()


def status(store: Path) -> dict[str, Any]:
    result = ratbench("status", store, "--format", "json")
    return dict(json.loads(result.stdout)) if result.exit_code == 0 else {}


def until(holds: Callable[[], bool]) -> None:
    end = monotonic() + SECONDS
    while not holds():
        assert monotonic() < end
        sleep(0.5)


def test_it_runs_and_then_it_does_not(run: subprocess.Popen[bytes], tmp_path: Path) -> None:
    store = tmp_path / "store"
    until(lambda: any(each["step"] > 0 for each in status(store).get("running", ())))
    found = status(store)
    (running,) = found["running"]
    assert found["driver"]["pid"] == run.pid != running["pid"] and running["steps"] > running["step"]
    assert (found["plans"][0]["running"], found["plans"][0]["waiting"]) == (1, 1)
    refused(ratbench("forget", store, "slow", "--yes"), f"is in use by process {run.pid} on ")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    until(lambda: not status(store)["running"])  # its process of jobs ends with it
    found = status(store)
    assert found["driver"] is None and found["running"] == []
    assert found["plans"][0]["waiting"] == 2
    assert "no run is at work" in ratbench("status", store).stdout
    assert ratbench("forget", store, "slow", "--yes").exit_code == 0
