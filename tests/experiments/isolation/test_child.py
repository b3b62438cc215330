"""What the process of jobs says and hears, without a process."""

import errno
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from suite.core.files.atomic_write import DiskFault
from suite.experiments import job_runner
from suite.experiments.cells.context import load_task
from suite.experiments.cells.progress import Progress
from suite.experiments.isolation import child
from suite.experiments.isolation.orders import Order
from suite.experiments.isolation.process_state import ProcessState
from suite.experiments.resources import Resources
from suite.records.jobs import Job

FULL = DiskFault(Path("a"), OSError(errno.ENOSPC, "No space left"))


def talk(worker_resources: Resources, order: Order, *answers: bool) -> list[tuple[Any, ...]]:
    """Return what is said of a job; each report of progress is answered, the last answer again and again."""
    ours, theirs = Pipe()
    heard, left = list[tuple[Any, ...]](), [*answers]

    def answer() -> None:
        while not heard or heard[-1][0] not in ("ended", "raised", "fault"):
            heard.append(ours.recv())
            if heard[-1][0] == "progress":
                ours.send(left.pop(0) if len(left) > 1 else left[0])

    thread = Thread(target=answer, daemon=True)
    worker = child._Worker(theirs, worker_resources)
    thread.start()
    worker.do(order)
    thread.join(timeout=60)
    return heard


@pytest.fixture
def order(jobs: list[Job], tmp_path: Path) -> Order:
    return Order(jobs[0], tmp_path)


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of three reports, in a process whose state other tests may change."""
    monkeypatch.setattr(ProcessState, "changes", lambda _: ())

    def run(job: Job, *_: Any, **__: Any) -> Iterator[Progress]:
        for step in range(3):
            yield Progress(job.id, "done" if step == 2 else "distilling", step, 0)

    monkeypatch.setattr(job_runner, "run", run)


def test_all_progress_is_told(order: Order) -> None:
    told = talk(Resources(), order, True)
    assert [kind for kind, *_ in told] == ["progress"] * 3 + ["ended"] and told[-1] == ("ended", True, True)


def test_it_stops_where_it_is_asked_to(order: Order) -> None:
    assert [kind for kind, *_ in talk(Resources(), order, True, False)] == ["progress", "progress", "ended"]


def test_a_process_that_keeps_gpu_memory_or_its_own_is_not_fresh(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Resources, "release", lambda _: False)
    assert talk(Resources(), order, True)[-1] == ("ended", True, False)
    monkeypatch.undo()
    monkeypatch.setattr(child, "KEPT_BYTES", -(2**40))
    monkeypatch.setattr(job_runner, "run", lambda *_, **__: (at for at in list[Progress]()))
    assert talk(Resources(), order, True)[-1] == ("ended", True, False)


def test_the_tasks_of_a_gpu_are_freed_after_a_job(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resources, "release", lambda _: True)
    for gpus, kept in ((0.0, True), (1.0, False)):
        load_task("digits", "cpu")
        talk(Resources(gpus=gpus), order, True)
        assert bool(load_task.cache_info().currsize) is kept


@pytest.mark.parametrize(("error", "kind"), [(FULL, "fault"), (LookupError("what"), "raised")])
def test_errors_of_the_store_are_told(
    error: Exception, kind: str, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> Iterator[Progress]:
        raise error
        yield

    monkeypatch.setattr(job_runner, "run", run)
    ((said, sent),) = talk(Resources(), order, True)
    assert (said, str(sent)) == (kind, str(FULL) if kind == "fault" else "LookupError: what")


def test_a_disk_is_not_at_fault_where_a_method_changed_limits(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> Iterator[Progress]:
        raise FULL
        yield

    monkeypatch.setattr(job_runner, "run", run)
    monkeypatch.setattr(ProcessState, "changes", lambda _: ("resource limits",))
    assert [kind for kind, *_ in talk(Resources(), order, True)] == ["raised"]
