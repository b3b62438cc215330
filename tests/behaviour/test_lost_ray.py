"""Ray is lost under a run: its raylet, its head, nodes, and nodes that come back. Nothing else is."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from suite.experiments import grid, job_runner
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import heartbeat, reading
from tests.support.ray_nodes import Cluster, Node, below, cluster, named, parents, send, until

TOKEN = "of-the-cluster-of-these-tests"

METHOD = """
import os, time
from dataclasses import dataclass
from pathlib import Path
import torch
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot

@dataclass(frozen=True)
class Waiting(BaseMethod):
    \"\"\"Takes outer steps; waits in the second one while a file is there, from a seed on.\"\"\"
    steps: int = 3
    first: int = 0

    def start(self, train, budget, *, seed):
        return Run(self, train, budget, seed)

METHOD = Waiting

class Run(BaseDistiller):
    def __init__(self, method, train, budget, seed):
        self.steps, self.taken, self.waits = method.steps, 0, seed >= method.first
        self.images = torch.full((train.classes, budget.ipc, *train.shape), float(seed))

    def synthetic(self):
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))

    def state_dict(self):
        return {"taken": self.taken, "images": self.images}

    def load_state_dict(self, state):
        self.taken, self.images = state["taken"], state["images"]

    def step(self):
        self.taken += 1
        self.images += self.taken
        while self.waits and self.taken == 2 and Path(__file__).with_suffix(".hold").exists():
            time.sleep(0.1)
        return {"outer_loss": 1.0}
"""

GRID = """
title = "Trials that wait"
tasks = ["digits"]
ipc = [1]
seeds = {seeds}
network = "convnet-d1-w8-in"

[method.waiting]
base = "{path}"
first = {first}
"""


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """The file that trials wait for: while it is there, none ends."""
    (tmp_path / "waiting.py").write_text(METHOD)
    path = tmp_path / "waiting.hold"
    path.touch()
    return path


def written(folder: Path, seeds: int, *, first: int = 0) -> Path:
    """Write a grid. first: the seed from which on trials wait."""
    path = folder / "waiting.toml"
    path.write_text(GRID.format(seeds=list(range(seeds)), path=folder / "waiting.py", first=first))
    return path


class Run:
    """A run in another process."""

    def __init__(self, file: Path, *words: str) -> None:
        self.jobs: list[Job] = grid.jobs(grid.load(file))
        self.folder = file.with_name("store")
        self.store, self.log = Store(self.folder), file.with_name("log")
        command = [sys.executable, "-m", "suite", "run", str(file), "--store", str(self.folder), *words]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        environment |= {"RAY_AUTH_TOKEN": TOKEN, "PYTHONPATH": os.pathsep.join(sys.path)}
        with self.log.open("a") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)

    def workers(self) -> list[int]:
        """Return the processes that work on a job after an outer step."""
        found = heartbeat.signs(self.folder)
        return [sign.pid for name, sign in found.items() if name != heartbeat.DRIVER and sign.steps]

    def until_at_work(self, number: int = 1) -> None:
        """Wait until trials have begun their outer steps."""
        until(lambda: self.process.poll() is not None or len(self.workers()) >= number)
        assert self.process.poll() is None, self.log.read_text()

    def records(self) -> list[Record]:
        return list(reading.records(self.store)) if self.folder.exists() else []

    def ends(self, code: int, seconds: float = 120.0) -> str:
        assert self.process.wait(timeout=seconds) == code, self.log.read_text()
        return self.log.read_text()

    def check_complete(self) -> None:
        """Each cell has one record, and each record the set that it names."""
        files = [path.stem for path in self.folder.glob("records/*/*/*.json")]
        assert sorted(files) == sorted(job.id for job in self.jobs)
        for job in self.jobs:
            record = self.store.record(job.id)
            assert record is not None and record.status == "done"
            content = self.store.artefact(job.id).read_bytes()
            assert hashlib.sha256(content).hexdigest() == record.artefact
        assert not list(self.folder.glob(".tune-*"))


@contextmanager
def running(file: Path, *words: str) -> Iterator[Run]:
    run = Run(file, *words)
    try:
        yield run
    finally:
        send(below(run.process.pid), signal.SIGKILL)
        run.process.wait()


@pytest.mark.benchmark
@pytest.mark.parametrize("service", ["raylet", "gcs_server"])
def test_a_local_ray_that_ends_ends_the_run_soon_and_the_same_command_goes_on(
    hold: Path, service: str
) -> None:
    file = written(hold.parent, 1)
    with running(file) as run:
        run.until_at_work()
        started, workers = monotonic(), run.workers()
        send(named(below(run.process.pid), service), signal.SIGKILL)
        told = run.ends(75, 60)
        assert monotonic() - started < 60
        assert "stopped, since the local Ray ended: something killed it, as the system does" in told
        until(lambda: not set(workers) & set(parents()), 60)
    hold.unlink()
    with running(file, "--inline") as run:
        run.ends(0)
        run.check_complete()


@pytest.fixture
def two() -> Iterator[Cluster]:
    """A head without CPUs for trials, and a node with two."""
    with cluster(TOKEN, 0) as made:
        made.join(cpus=2)
        yield made


def node_of(made: Cluster, pid: int) -> Node:
    return next(node for node in made.nodes if pid in node.pids)


@pytest.mark.benchmark
def test_a_node_is_lost_halfway_and_another_one_goes_on(two: Cluster, hold: Path) -> None:
    run_with_a_lost_node(two, hold, 6)


@pytest.mark.benchmark
def test_two_hundred_cells_with_a_node_lost_halfway(two: Cluster, hold: Path) -> None:
    run_with_a_lost_node(two, hold, 200)


def run_with_a_lost_node(two: Cluster, hold: Path, number: int) -> None:
    file = written(hold.parent, number, first=number // 2)
    with running(file, "--address", two.address) as run:
        until(lambda: len(run.records()) == number // 2, 240)
        run.until_at_work(2)
        two.nodes[1].kill()
        two.join(cpus=2)
        hold.unlink()
        run.ends(0, 240)
        run.check_complete()


@pytest.mark.benchmark
def test_a_lost_head_ends_the_run_with_advice_and_another_cluster_goes_on(two: Cluster, hold: Path) -> None:
    file = written(hold.parent, 2)
    with running(file, "--address", two.address) as run:
        run.until_at_work(2)
        started = monotonic()
        send(named(two.head.pids, "gcs_server"), signal.SIGKILL)
        told = run.ends(75, 60)
        assert monotonic() - started < 60
        assert "the head of the Ray cluster at " in told
        assert "does not answer: start the cluster again; run the same command again to go on" in told
    hold.unlink()
    with running(file, "--inline") as run:
        run.ends(0)
        run.check_complete()


@pytest.mark.benchmark
def test_a_frozen_node_that_comes_back_changes_nothing(two: Cluster, hold: Path) -> None:
    """Its worker ends its trial after another one did, in the same store."""
    file = written(hold.parent, 1)
    with running(file, "--address", two.address) as run:
        run.until_at_work()
        (worker,) = run.workers()
        frozen = node_of(two, worker)
        pids = frozen.pids
        send(pids, signal.SIGSTOP)
        two.join(cpus=2)
        until(lambda: run.workers() not in ([], [worker]), 240)  # given up, and begun on the other node
        hold.unlink()
        run.ends(0)
        run.check_complete()
        before = run.store.record(run.jobs[0].id)
        send(pids, signal.SIGCONT)
        until(lambda: worker not in parents(), 240)
        run.check_complete()
        assert run.store.record(run.jobs[0].id) == before


def test_a_zombie_that_ends_after_its_successor_keeps_the_record_and_its_set(
    hold: Path, store: Store, resources: Resources
) -> None:
    """A worker whose raylet died goes on for a while, beside the one that takes its place."""
    (job,) = grid.jobs(grid.load(written(hold.parent, 1, first=1)))
    zombie = job_runner.run(job, store, resources)
    assert next(zombie).step == 1
    list(job_runner.run(job, store, resources))
    first, file = store.record(job.id), store.artefact(job.id)
    before = file.stat()
    finished = [each for progress in zombie for each in progress.finished.values()]
    assert first is not None and [each.artefact for each in finished] == [first.artefact]
    assert store.record(job.id) == first
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
