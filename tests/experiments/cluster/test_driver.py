"""Real Ray: the same numbers as in one process, killed workers, failures beside successes."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import ray

from suite.experiments import grid, job_runner
from suite.experiments.cells.progress import Progress
from suite.experiments.cluster import driver, nodes
from suite.experiments.resources import Resources
from suite.records.jobs import Job, Wanted
from suite.records.record import Record
from suite.records.store import Store
from tests.support import broken_files, fake_gpus


def on_ray(jobs: Sequence[Job], store: Store, resources: Resources | None = None) -> list[Progress]:
    seen: list[Progress] = []
    ended: list[str] = []
    given, observe, end = resources or Resources(), seen.append, ended.append
    driver.run_jobs(jobs, store, given, address=None, observe=observe, end=end, lost=print)
    assert set(ended) == {job.id for job in jobs}
    return seen


def kept(store: Store, cell: str) -> Record:
    record = store.record(cell)
    assert record is not None
    return record


def test_where_memory_ran_out_it_is_said(
    jobs: list[Job], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Tune raises what Ray says of a worker that it ended in the middle of a step."""
    memory: Exception = ray.exceptions.OutOfMemoryError("much is used")  # type: ignore[no-untyped-call]

    def fit(tuner: ray.tune.Tuner) -> None:
        raise RuntimeError("Caught unexpected exception") from memory

    monkeypatch.setattr(ray.tune.Tuner, "fit", fit)
    with pytest.raises(OSError, match="their machine ran out of memory; free some, or"):
        on_ray(jobs[:1], store)
    assert not list(store.path.glob(".tune-*"))


@pytest.fixture
def with_broken(tiny: Path) -> list[Job]:
    """The tiny grid, and methods that go wrong: once, or each time."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "ncfm-40"))  # the cheapest recipe
    texts = {
        "killed": broken_files.KILLED_ONCE,
        "keeps": broken_files.KEEPS_MEMORY_ONCE,
        "raises": broken_files.RAISES,
        "terminates": broken_files.TERMINATES_ITS_WORKER_ONCE,
        "kills": broken_files.KILLS_ITS_WORKERS,
    }
    for name, text in texts.items():
        path = tiny.with_name(f"{name}.py")
        path.write_text(text)
        tiny.write_text(tiny.read_text() + f'\n[method.{name}]\nbase = "{path}"\n')
    return grid.jobs(grid.load(tiny))


def test_ray_gives_what_one_process_gives_and_survives_what_goes_wrong(
    with_broken: list[Job], store: Store, tmp_path: Path, resources: Resources
) -> None:
    seen = on_ray(with_broken, store)
    alone = Store.create(tmp_path / "alone")
    by_label = {job.label: job for job in with_broken}
    for label in ("random_subset", "rat_bptt"):
        job = by_label[label]
        list(job_runner.run(job, alone, resources))
        assert kept(store, job.id).artefact == kept(alone, job.id).artefact
        (evaluation,) = job.evaluations
        here, there = kept(store, evaluation.id), kept(alone, evaluation.id)
        assert here.scores["accuracy"] == there.scores["accuracy"] and here.test_reads == 1

    assert (tmp_path / "killed.killed").exists()
    assert kept(store, by_label["killed"].id).status == "done"
    assert (tmp_path / "keeps.kept").exists()
    assert kept(store, by_label["keeps"].evaluations[0].id).status == "done"
    failure = store.last_failure(by_label["raises"].id)
    assert failure is not None and "the method is broken" in failure.error

    recorded = {
        cell.id: (job.label, record.status)
        for job in with_broken
        for cell in job.cells
        if (record := store.record_of(job, cell) or store.failure_of(job, cell))
    }
    assert Counter(status for _, status in recorded.values()) == {"done": 10, "failed": 2}
    told = {cell for progress in seen for cell in progress.finished}
    untold = {label for cell, (label, _) in recorded.items() if cell not in told}
    assert untold <= {"terminates"}, "its worker may be killed between a record and its report"
    assert (tmp_path / "terminates.killed").exists()
    assert kept(store, by_label["terminates"].id).status == "done"
    lost = store.last_failure(by_label["kills"].id)
    assert lost is not None and lost.error.startswith("its worker died 3 times: ") and lost.attempts == 3
    assert not list(store.path.glob(".tune-*")), "Tune's own folder is no part of a store"


def test_a_method_file_is_found_by_its_relative_path(
    tiny: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    tiny.with_name("mine.py").write_text(broken_files.MENDED)
    tiny.write_text(tiny.read_text() + '\n[method.mine]\nbase = "mine.py"\n')
    job = next(job for job in grid.jobs(grid.load(tiny)) if job.label == "mine")
    on_ray([job], store)
    failure = store.last_failure(job.id)
    assert failure is None, failure.error


def on_fake_gpus(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Let Ray count GPUs, and workers take the CPU for one of 8 GiB."""
    monkeypatch.setattr("ray.init", partial(ray.init, num_cpus=4, **options))
    monkeypatch.setattr(driver, "Worker", fake_gpus.OnFakeGpu)
    told = nodes.Gpus(frozenset({fake_gpus.NAME}), 8 * fake_gpus.GIB, 1)
    monkeypatch.setattr(nodes, "gpus", lambda: told)


@pytest.mark.benchmark
def test_later_trials_share_a_gpu_by_the_first_and_one_without_memory_gets_a_whole_one(
    tiny: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that takes 1 GiB, a margin and its context: three share 8 GiB."""
    on_fake_gpus(monkeypatch, num_gpus=1, labels={"kind": "fake"})
    path = tiny.with_name("starved.py")
    path.write_text(broken_files.OUT_OF_MEMORY)
    head, _, _ = tiny.read_text().partition("[method")
    rows = f'[method.random_subset]\n[method.starved]\nbase = "{path}"\nresources = {{gpus = 0.5}}\n'
    tiny.write_text(head.replace("seeds = [0]", "seeds = [0, 1, 2]") + rows)
    table = grid.load(tiny)
    jobs = [
        job.model_copy(update={"wanted": table.wanted(job.label).model_copy(update={"labels": labels})})
        for job, labels in zip(grid.jobs(table), [{"kind": "!other"}, *[{}] * 5], strict=True)
    ]
    on_ray(jobs, store, Resources(gpus=1.0, packed=True))
    taken = {}
    for job in jobs[:3]:
        record = kept(store, job.id)
        taken[job.cell.seed] = round(record.device_seconds / record.seconds, 4)
        assert record.provenance.device == fake_gpus.NAME
    assert taken == {0: 1.0, 1: 0.3333, 2: 0.3333}
    for job in jobs[3:]:
        failure = store.last_failure(job.id)
        assert failure is not None and (failure.status, failure.attempts) == ("oom", 2)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (
            Wanted(cpus=9999),
            "a trial needs 9999 CPUs, but this machine has .*--cpus-per-trial, or cpus in the grid",
        ),
        (Wanted(labels={"kind": "other"}), "no node has the labels kind = other of the grid; nodes have "),
    ],
)
def test_what_the_machine_does_not_have_is_refused(
    jobs: list[Job], store: Store, wanted: Wanted, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        on_ray([jobs[0].model_copy(update={"wanted": wanted})], store)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to continue"),
        (signal.SIGTERM, 75, "goes on after outer step"),
    ],
)
def test_interrupted_it_says_how_to_continue(tiny: Path, number: int, code: int, said: str) -> None:
    path = tiny.with_name("slow.py")
    path.write_text(broken_files.SLOW_WITH_MARKERS)
    head, _, _ = tiny.read_text().partition("[method")
    tiny.write_text(f'{head}[method.slow]\nbase = "{path}"\nsteps = 600\n')
    command = [sys.executable, "-m", "suite", "run", str(tiny), "--store", str(tiny.with_name("runs"))]
    pipe = subprocess.PIPE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    ) as process:
        while not path.with_suffix(".2").exists():  # two outer steps
            assert process.poll() is None
            sleep(0.1)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal sends it to all
        else:
            process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert said in rest
    store = Store(tiny.with_name("runs"))
    assert not list(store.path.glob(".tune-*"))
    (job,) = grid.jobs(grid.load(tiny))
    step = store.checkpoint_step(job.id)
    assert step is None if code == 130 else step and step >= 2
    assert not list(store.path.glob("failures/*/*/*"))
