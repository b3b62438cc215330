"""Real Ray: the same numbers as in one process, killed workers, failures beside successes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import sleep

import pytest

from suite.experiments import grid, job_runner
from suite.experiments.cells.progress import Progress
from suite.experiments.cluster import driver
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support import broken_files


def on_ray(jobs: Sequence[Job], store: Store) -> list[Progress]:
    seen: list[Progress] = []
    ended: list[str] = []
    driver.run_jobs(jobs, store, Resources(), address=None, observe=seen.append, end=ended.append)
    assert sorted(ended) == sorted(job.id for job in jobs)
    return seen


def kept(store: Store, cell: str) -> Record:
    record = store.record(cell)
    assert record is not None
    return record


@pytest.fixture
def with_broken(tiny: Path) -> list[Job]:
    """The tiny grid, and methods that go wrong: once, or each time."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "dc-300"))  # the cheapest recipe
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

    finished = {cell: record.status for progress in seen for cell, record in progress.finished.items()}
    assert sorted(finished.values()) == ["done"] * 10 + ["failed"] * 2
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


def test_a_cluster_that_is_not_there_is_refused_at_once(jobs: list[Job], store: Store) -> None:
    with pytest.raises(ConnectionError, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        driver.run_jobs(jobs, store, Resources(), address="127.0.0.1:9", observe=print, end=print)


def test_more_than_the_machine_has_is_refused(jobs: list[Job], store: Store) -> None:
    with pytest.raises(ValueError, match=r"a trial wants 9999 CPUs and this machine has .*--cpus-per-trial"):
        driver.run_jobs(jobs, store, Resources(9999), address=None, observe=print, end=print)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to continue"),
        (signal.SIGTERM, 75, "goes on after outer step"),
        (signal.SIGUSR1, 75, "stopped, since SIGUSR1 came; run the same command again to go on"),
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


def test_a_signal_while_ray_ends_waits_for_our_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray sets the default handler, which ends the process."""
    heard: list[int] = []

    def end() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        assert not heard

    monkeypatch.setattr(driver, "_connect", lambda address: None)
    monkeypatch.setattr("ray.shutdown", end)
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with driver._ray(None):
            pass
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
