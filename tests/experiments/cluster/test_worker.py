"""A worker reports before a cell begins, and stops with a checkpoint where it is asked to."""

import errno
import os
import signal
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from suite.experiments import job_runner
from suite.experiments.cluster.asking import Question
from suite.experiments.cluster.worker import Worker
from suite.experiments.isolation.job_process import JobProcess
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support.job_runs import done, one


@pytest.fixture
def asked(ray_table: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Question:
    monkeypatch.setattr("suite.experiments.cluster.asking.ASK_SECONDS", 0.01)
    return Question()


@pytest.fixture
def config(
    store: Store, asked: Question, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Of a worker that reports only where a cell begins or ends, however slow this machine is."""
    monkeypatch.setattr("suite.experiments.cluster.worker.REPORT_SECONDS", inf)
    for job in jobs:
        store.write_job(job)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield {
        "store": str(store.path),
        "asked": asked.key,
        "folder": str(Path.cwd()),
        "resources": {"compile": True},
        "step_limit": None,
        "cell": one(jobs, "rat_bptt").id,
    }
    torch.set_num_threads(1)
    for number, handler in before.items():
        signal.signal(number, handler)


def status(record: str) -> str:
    return Record.model_validate_json(record).status


@pytest.fixture
def every_step(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A report after each outer step."""
    monkeypatch.setattr("suite.experiments.cluster.worker.REPORT_SECONDS", 0.0)


def test_it_reports_before_a_cell_without_steps_begins(config: dict[str, Any], jobs: list[Job]) -> None:
    job, worker = one(jobs, "rat_bptt"), Worker(config)
    reports = [worker.step() for _ in range(4)]
    told = [(each["doing"], [*map(status, each["finished"].values())], each["done"]) for each in reports]
    assert told == [
        ("done", ["done"], False),
        (f"evaluating: {job.evaluations[0].title}", [], False),
        ("done", ["done"], False),
        ("starting", [], True),
    ]


def test_asked_to_stop_it_writes_a_checkpoint_and_another_goes_on(
    config: dict[str, Any],
    jobs: list[Job],
    store: Store,
    asked: Question,
    ray_table: dict[str, bytes],
    tmp_path: Path,
    every_step: None,
) -> None:
    job, worker = one(jobs, "rat_bptt"), Worker(config)
    assert [worker.step()["at"] for _ in range(2)] == [1, 2] and store.checkpoint_step(job.id) is None
    asked.ask()
    assert worker.asked.to_stop.wait(60)
    assert worker.step()["done"] and store.checkpoint_step(job.id) == 2
    late = Worker(config)
    assert late.asked.to_stop.wait(60) and late.step()["done"], "and begins nothing"
    ray_table[asked.key] = b"go on"
    again = Worker(config)
    assert [again.step()["at"] for _ in range(2)] == [3, 4]
    while not again.step()["done"]:
        pass
    undisturbed = Store.create(tmp_path / "undisturbed")
    list(job_runner.run(job, undisturbed, Resources()))
    assert done(job, store).artefact == done(job, undisturbed).artefact and done(job, store).attempts == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_fault_of_the_disk_is_reported_and_no_failure(
    number: int, config: dict[str, Any], jobs: list[Job], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    worker = Worker(config)
    monkeypatch.setattr(os, "fsync", refuse)
    reports = [worker.step()]
    while not reports[-1]["done"]:
        reports.append(worker.step())
    assert f"artefacts/{worker.job}.safetensors cannot be written" in reports[-1]["fault"]
    assert store.last_failure(worker.job) is None and store.record(worker.job) is None


def test_without_its_driver_it_stops(config: dict[str, Any], asked: Question) -> None:
    worker = Worker(config)
    asked.close()
    assert worker.asked.to_stop.wait(60) and worker.step()["done"]


@pytest.mark.usefixtures("without_s3fs")
def test_a_store_that_its_node_cannot_open_is_a_fault(config: dict[str, Any]) -> None:
    report = Worker({**config, "store": "s3://bucket/store"}).step()
    assert report["done"] and report["fault"].startswith("on node ")
    assert report["fault"].endswith("pip install 'rat-bench[s3]'")


def test_a_worker_that_begins_another_job_ends_its_own(
    config: dict[str, Any], jobs: list[Job], store: Store, every_step: None
) -> None:
    worker = Worker(config)
    worker.step()
    other = one(jobs, "random_subset")
    assert worker.reset_config({**config, "cell": other.id})
    assert store.checkpoint_step(str(config["cell"])) == 1 and worker.step()["job"] == other.id


def test_its_process_ends_with_it(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    closed = list[bool]()
    monkeypatch.setattr(JobProcess, "close", lambda _: closed.append(True))
    worker = Worker(config)
    worker.cleanup()
    assert closed == [], "of a worker that had no job yet"
    worker.step()
    worker.cleanup()
    assert closed == [True]


def test_only_force_ends_it(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What SIGTERM ends is for Ray a worker that has finished."""
    Worker(config)
    sent = list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    signal.raise_signal(signal.SIGTERM)
    assert sent == [signal.SIGKILL] and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
