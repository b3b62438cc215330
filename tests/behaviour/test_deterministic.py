"""Deterministic runs: the same bits in any order and packing, and after retries."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import torch

from suite.experiments import grid
from suite.experiments.cluster import driver
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import broken_files
from tests.support.command_line import ratbench
from tests.support.grids import QUICK
from tests.support.job_runs import complete, done, one

CPU = Resources.choose(gpus=0.0, deterministic=True)

USES_PUT = broken_files.HEAD + "        self.images.put_(torch.tensor([0]), torch.ones(1)); return {}\n"
"""A method with an operation that torch has no deterministic implementation for."""

Bits = list[tuple[str, str, tuple[float, ...]]]


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """The quick grid, and a method that is killed once and then retried, if it has a worker of its own."""
    path = tmp_path / "quick.toml"
    (tmp_path / "once.py").write_text(broken_files.KILLED_ONCE)
    path.write_text(f'{QUICK}\n[method.once]\nbase = "{tmp_path / "once.py"}"\n')
    return grid.jobs(grid.load(path))


def bits(jobs: Sequence[Job], store: Store) -> Bits:
    found = []
    for job in jobs:
        record = store.record(job.evaluations[0].id)
        assert record is not None and record.provenance.deterministic
        assert record.provenance.versions["torch.compile"] == "off"
        found.append((job.label, done(job, store).artefact, record.scores["accuracy"]))
    return sorted(found)


def test_order_packing_and_retries_change_no_bit(jobs: list[Job], tmp_path: Path) -> None:
    """On Ray, two at once, of which one is killed; then here, the last first."""
    packed, reverse = Store.create(tmp_path / "packed"), Store.create(tmp_path / "reverse")
    driver.run_jobs(jobs, packed, CPU, address=None, observe=print, end=print, lost=print)
    assert (tmp_path / "once.killed").exists()
    for job in reversed(jobs):
        complete(job, reverse, CPU)
    assert bits(jobs, packed) == bits(jobs, reverse)


@pytest.mark.usefixtures("jobs_apart")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_repeats_its_bits(jobs: list[Job], tmp_path: Path) -> None:
    gpu, found = Resources(gpus=1.0, compile=False, deterministic=True), list[Bits]()
    for name, order in (("first", jobs), ("second", jobs[::-1])):  # one is killed in the first
        store = Store.create(tmp_path / name)
        with closing(JobProcess(store.path)) as process:
            for job in order:
                list(process.run(job, vars(gpu)))
        found.append(bits(jobs, store))
    assert found[0] == found[1]


def test_an_operation_that_differs_each_time_is_named(tiny: Path, store: Store) -> None:
    path = tiny.with_name("puts.py")
    path.write_text(USES_PUT)
    tiny.write_text(tiny.read_text() + f'\n[method.puts]\nbase = "{path}"\n')
    job = one(grid.jobs(grid.load(tiny)), "puts")
    complete(job, store, CPU)
    failure = store.last_failure(job.id)
    assert failure is not None and not torch.are_deterministic_algorithms_enabled()
    assert failure.error.startswith("put_ has no deterministic implementation on this device; run without")
    assert set(complete(job, store, Resources()).values()) == {"done"}


@pytest.mark.usefixtures("elsewhere")
def test_the_option_reaches_the_records(quick: Path) -> None:
    assert ratbench("run", quick, "--inline", "--deterministic").exit_code == 0
    store = Store(Path("runs/quick"))
    assert len(bits(grid.jobs(grid.load(quick)), store)) == 2
