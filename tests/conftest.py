"""What several tests share: a tiny grid on real digits, and a store in a fresh folder."""

from pathlib import Path

import pytest
import torch

from suite import grid
from suite.plan import Job
from suite.run import Place
from suite.store import Store

TINY = """
title = "A grid for tests"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"

[method.random_subset]

[method.rat_bptt]
steps = 4
unroll = 4
window = 2
real_batch = 32

[evaluator.retrain]
recipe = ["rat-bptt"]
copies = 2
"""


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of one and two threads differ in their last bits; no test writes to a real data folder."""
    torch.set_num_threads(1)
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "data"))


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


@pytest.fixture
def place() -> Place:
    return Place(torch.device("cpu"))
