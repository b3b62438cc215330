"""Processes of jobs that go wrong: what is recorded, that others go on, and that nothing else changes."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

import pytest

from suite.experiments import job_runner
from suite.experiments.isolation import job_process
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support import broken_files, misbehaving
from tests.support.job_runs import done, one

pytestmark = pytest.mark.usefixtures("jobs_apart")

Made = Iterator[JobProcess]

SLOW = pytest.mark.benchmark
"""Of tests that start many processes."""


@pytest.fixture
def process(store: Store) -> Made:
    made = JobProcess(store.path)
    yield made
    made.close()


def finished(process: JobProcess, jobs: Sequence[Job]) -> dict[str, Record]:
    return {cell: each for job in jobs for at in process.run(job, {}) for cell, each in at.finished.items()}


def pair(grid_file: Path, deed: str) -> tuple[Job, Job]:
    """Return the job of a method that misbehaves, and a sound one."""
    jobs = misbehaving.jobs(grid_file, [deed])
    return one(jobs, "misbehaving"), one(jobs, "random_subset")


def bits(store: Store, job: Job) -> tuple[str, tuple[float, ...], dict[str, tuple[float, ...]]]:
    """Return what a job's records have but times."""
    scores = store.record(job.evaluations[0].id)
    assert scores is not None
    curve = {name: values for name, values in done(job, store).curve.items() if name != "seconds"}
    return done(job, store).artefact, scores.scores["accuracy"], curve


def in_process(jobs: Sequence[Job], folder: Path) -> Store:
    """Return the store of jobs that nothing disturbed."""
    store = Store.create(folder)
    for job in jobs:
        list(job_runner.run(job, store, Resources()))
    return store


def test_errors_of_any_kind_fail_their_cell_alone(tiny: Path, process: JobProcess) -> None:
    expected = misbehaving.deeds("FAILS")
    *broken, sound = reversed(misbehaving.jobs(tiny, expected))
    records = finished(process, [*broken, sound])
    assert [records[job.id].status for job in broken] == ["failed"] * len(broken)
    for job, (_, said) in zip(broken, reversed(expected.items()), strict=True):
        assert said in records[job.id].error and len(records[job.id].error) < 2100
    assert [records[cell.id].status for cell in sound.cells] == ["done", "done"]


def test_what_evaluators_do_fails_their_cell_alone(tiny: Path, process: JobProcess) -> None:
    deeds = ["raises KeyboardInterrupt", "NaN", "raises GeneratorExit"]
    (job,) = misbehaving.jobs(tiny, deeds[:1], kind="evaluator")
    records = finished(process, [job])
    assert sorted(each.status for each in records.values()) == ["done", "done", "failed"]


@pytest.mark.parametrize(
    "deed", [pytest.param("exits", marks=SLOW), "segfaults", pytest.param("kills itself", marks=SLOW)]
)
def test_a_process_that_dies_leaves_a_failure_that_says_how(
    deed: str, tiny: Path, process: JobProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_process, "ATTEMPTS", 1)
    dies, sound = pair(tiny, deed)
    records = finished(process, [dies, sound])
    assert records[dies.id].status == "failed" and misbehaving.deeds("DIES")[deed] in records[dies.id].error
    assert [records[cell.id].status for cell in sound.cells] == ["done", "done"]


@SLOW
def test_a_process_that_closed_its_files_is_replaced(tiny: Path, process: JobProcess, store: Store) -> None:
    """It could still write its record."""
    closes, sound = pair(tiny, "closes files")
    finished(process, [closes, sound])
    records = [store.record(cell.id) for job in (closes, sound) for cell in job.cells]
    assert [record and record.status for record in records] == ["done"] * 4


@SLOW
def test_it_dies_three_times_before_it_is_given_up(tiny: Path, process: JobProcess, store: Store) -> None:
    job, _ = pair(tiny, "aborts")
    records = finished(process, [job])
    assert records[job.id].error == "its process was killed by SIGABRT (3 times in a row)"
    assert records[job.id].attempts == 3
    assert "most recent call first" in store.traceback(records[job.id]).read_text()


def test_a_step_that_hangs_is_stopped(tiny: Path, process: JobProcess) -> None:
    hangs, sound = pair(tiny, "hangs in C")
    process.step_limit = ("5s", 5.0)
    error = finished(process, [hangs])[hangs.id].error
    assert error.endswith(" took longer than --step-timeout 5s")
    process.step_limit = None
    assert len(finished(process, [sound])) == 2


def test_what_a_method_changes_is_told_and_changes_no_figure(
    tiny: Path, process: JobProcess, store: Store, tmp_path: Path
) -> None:
    """Not even of its own evaluation."""
    changes, sound = pair(tiny, "patches us")
    records = finished(process, [changes, sound])
    change = misbehaving.deeds("CHANGES")["patches us"]
    assert records[changes.id].provenance.changed == (change,)
    alone = in_process([sound], tmp_path / "alone")
    assert bits(store, sound) == bits(alone, sound)
    scores = records[changes.evaluations[0].id]
    assert max(scores.scores["accuracy"]) < 1 and not scores.provenance.changed


def test_a_fork_that_goes_on_writes_nothing(tiny: Path, process: JobProcess, store: Store) -> None:
    forks, _ = pair(tiny, "forks and both go on")
    records = finished(process, [forks])
    assert [records[cell.id].status for cell in forks.cells] == ["done", "done"]
    assert records[forks.id].attempts == 1 and not list(store.path.glob("failures/*/*/*"))


@SLOW
def test_a_process_that_keeps_memory_is_replaced(tiny: Path, process: JobProcess) -> None:
    leaks, sound = pair(tiny, "leaks")
    assert {each.status for each in finished(process, [leaks]).values()} == {"done"}
    assert process._process is None
    finished(process, [sound])
    assert process._process is not None


def test_what_is_printed_is_passed_on_in_bounds(tiny: Path, store: Store) -> None:
    lines = list[str]()
    process = JobProcess(store.path, said=lines.append)
    prints, _ = pair(tiny, "prints")
    finished(process, [prints])
    process.close()
    assert (
        lines[0] == "x" * 60 and lines[-1] == "… more lines of this cell are not shown" and len(lines) == 100
    )


@pytest.fixture
def marked(tiny: Path) -> Job:
    """The job of a method with ten steps that leave a mark, and take a tenth of a second each."""
    path = tiny.with_name("slow.py")
    path.write_text(broken_files.SLOW_WITH_MARKERS.replace("sleep(1)", "sleep(0.1)"))
    jobs = misbehaving.jobs(tiny, ["nothing"], more=f'\n[method.slow]\nbase = "{path}"\nsteps = 10\n')
    return one(jobs, "slow")


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=SLOW)])
def test_killed_in_a_step_it_goes_on_from_its_checkpoint_to_the_same_bits(
    number: signal.Signals, marked: Job, store: Store, tmp_path: Path
) -> None:
    process, killed = JobProcess(store.path, checkpoint_seconds=0.0), 0
    for at in process.run(marked, {}):
        if at.steps and at.step >= 4 and not killed:
            assert process._process is not None
            killed = at.step
            os.kill(process._process.pid, number)
        elif at.steps and killed:
            assert at.step >= killed - 1, "at most one interval between checkpoints is lost"
    process.close()
    assert killed and done(marked, store).attempts == 2
    assert bits(store, marked) == bits(in_process([marked], tmp_path / "undisturbed"), marked)


def test_an_interrupt_is_for_the_run_and_not_for_its_process(
    marked: Job, process: JobProcess, store: Store
) -> None:
    for at in process.run(marked, {}):
        if at.steps and process._process is not None:
            os.kill(process._process.pid, signal.SIGINT)
    assert done(marked, store).attempts == 1 and store.record(marked.evaluations[0].id)


def test_closed_early_it_writes_a_checkpoint(marked: Job, process: JobProcess, store: Store) -> None:
    work = process.run(marked, {})
    while (step := next(work).step) < 3:
        pass
    work.close()
    assert store.checkpoint_step(marked.id) == step
    assert len(finished(process, [marked])) == 2


def test_it_ends_with_the_process_that_started_it(marked: Job, store: Store) -> None:
    ours, theirs = os.pipe()
    if not (parent := os.fork()):
        process = JobProcess(store.path)
        for at in process.run(marked, {}):
            if at.step and process._process is not None:
                os.write(theirs, f"{process._process.pid}\n".encode())
                sleep(600)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        child = int(answer.readline())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until = monotonic() + 60
    while Path(f"/proc/{child}/stat").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert monotonic() < until
        sleep(0.05)


def test_a_process_that_cannot_start_is_said(jobs: list[Job], store: Store) -> None:
    process = JobProcess(store.path)
    with pytest.raises(OSError, match=r"no process for jobs starts .*nonsense"):
        next(process.run(jobs[0], {"nonsense": 1}))
