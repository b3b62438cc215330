"""What several tests share: a tiny grid on real digits, a store in a fresh folder, a finished run."""

import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import torch
from typer.testing import Result

from suite.core.execution import compiling
from suite.experiments import grid, job_runner
from suite.experiments.cells.progress import Progress
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.remote import place
from suite.records.store import Store
from tests.support import foreign_sets, submissions
from tests.support.command_line import ratbench
from tests.support.grids import QUICK, TINY

if TYPE_CHECKING:
    from tests.support.s3_server import S3Server

_RUN = JobProcess.run

SECRET, SECRETS = "hf_0123456789secret", ("HF_TOKEN", "WANDB_API_KEY", "RAY_AUTH_TOKEN")
"""What no file may hold, and the variables of the environment that have it while `finished` runs."""


@pytest.fixture(autouse=True)
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of one and two threads differ in their last bits; no test writes to a real data folder.

    No test begins where an earlier one left compilation forbidden.
    """
    assert compiling.allowed()
    torch.set_num_threads(1)
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session", autouse=True)
def jobs_here() -> Iterator[None]:
    """Jobs run in this process: another takes seconds to start. Tests of such processes take `jobs_apart`."""

    def run(process: JobProcess, job: Job, resources: Mapping[str, Any]) -> Iterator[Progress]:
        return job_runner.run(job, Store(process.store), Resources(**resources))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobProcess, "run", run)
        yield


@pytest.fixture
def jobs_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in processes of their own, as they do for users."""
    monkeypatch.setattr(JobProcess, "run", _RUN)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of a grid whose four cells take seconds."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def jobs(tiny: Path) -> list[Job]:
    return grid.jobs(grid.load(tiny))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture(scope="session")
def s3_server() -> "Iterator[S3Server]":
    """An S3 server with a bucket, for all tests of this process."""
    from tests.support.s3_server import running  # takes a second

    with running() as server:
        yield server


@pytest.fixture
def s3(s3_server: "S3Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "S3Server":
    """The server as processes of this test find it; they keep their copies in a fresh folder."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place.copies.clear()
    return s3_server


@pytest.fixture
def url(s3: "S3Server") -> str:
    """The URL of a store that does not exist yet."""
    return f"s3://bucket/{uuid4().hex}"


@pytest.fixture
def without_s3fs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is not installed."""
    known = import_module("fsspec.registry")
    monkeypatch.delitem(known._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)


@pytest.fixture
def resources() -> Resources:
    return Resources()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    """Stores that are not named lie below the working directory; nothing is fetched."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched."""
    monkeypatch.setattr("suite.core.data.reading.download.reachable", lambda url: False)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests started in a shell's background ignore Ctrl-C, and their children would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign sets are read in this process, as the child would: a child takes seconds to start."""
    foreign_sets.read_here(monkeypatch)


@pytest.fixture
def known_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims are verified by known seeds: by drawn ones, an honest claim in a hundred is refused."""
    submissions.know_seeds(monkeypatch)


@pytest.fixture
def untrained(known_seeds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are not retrained: their accuracies are drawn, around 70%."""
    monkeypatch.setattr("suite.plugins.evaluators.retrain.retrain", submissions.retrained)


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Result]]:
    """A grid's file, the store it was run into, and what the run said."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "quick.toml").write_text(QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATBENCH_DATA", str(folder / "data"))
        for name in SECRETS:
            patch.setenv(name, SECRET)
        torch.set_num_threads(1)
        ran = ratbench("run", folder / "quick.toml", "--store", folder / "store", "--inline")
    yield folder / "quick.toml", folder / "store", ran


@pytest.fixture
def copied(finished: tuple[Path, Path, Result], tmp_path: Path) -> Path:
    """A copy of the finished store, to be changed at will."""
    return Path(shutil.copytree(finished[1], tmp_path / "copy"))
