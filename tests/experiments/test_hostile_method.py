"""Methods that try to reach the test split: what they are given does not lead there.

A method gets `train`, a budget and a seed. What lies behind the interpreter's own doors (gc, frames,
closures, modules, the files themselves) is beyond any class in Python; a method that goes and loads
the task by itself is counted, and its record refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from evaluators.retrain import Retrain
from suite.board import files
from suite.board.tables import board as board_of
from suite.core.data.tasks import load
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples, Scores, Task, TestSplit
from suite.experiments import grid, job_runner
from suite.experiments.device import Place
from suite.plugins import registry
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support.job_runs import complete, done


class Hostile(BaseDistiller):
    """Takes the first real images; reads the test split of its task where it is told to."""

    def __init__(self, train: Examples, budget: Budget, loads: "Loads") -> None:
        self.steps, self.taken, self.loads = 4, 0, loads
        rows = torch.stack([indices[: budget.ipc] for indices in train.by_class()])
        self.images = train.images[rows]
        loads.at("start")

    def step(self) -> Mapping[str, float]:
        self.taken += 1
        self.loads.at(f"step {self.taken}")
        return {"outer_loss": 1.0}

    def synthetic(self) -> SyntheticSet:
        self.loads.at("synthetic")
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))


@dataclass(frozen=True)
class Loads(BaseMethod):
    """Loads the task on the side and opens its test split."""

    where: str = "nowhere"

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return Hostile(train, budget, self)

    def at(self, place: str) -> None:
        if place == self.where:
            _ = load("digits").test


@dataclass(frozen=True)
class Walks(BaseMethod):
    """Follows every public attribute of what it is given, as far as it leads."""

    found: ClassVar[list[object]] = []

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        self.found.extend(walk([train, train.take(torch.arange(3)), train.to(torch.device("cpu")), budget]))
        return Hostile(train, budget, Loads())


def walk(start: list[object]) -> list[object]:
    """Return all that can be reached over public attributes, items and what methods belong to."""
    waiting, seen = [*start], {}
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type(torch)) or each is None:
            continue
        seen[id(each)] = each
        if isinstance(each, Tensor | str | bytes | int | float):
            continue  # of a tensor the test looks at the storage
        waiting += [*each.values()] if isinstance(each, Mapping) else []
        waiting += [*each] if isinstance(each, list | tuple) else []
        waiting += [getattr(each, name, None) for name in dir(each) if not name.startswith("_")]
        waiting += [getattr(each, "__self__", None), getattr(each, "__dict__", None)]
    return [*seen.values()]


def hire(method: type, job: Job, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Job:
    """Return the job with another method in its trial's place."""
    monkeypatch.setattr(registry, "method", lambda name: method)
    cell = job.cell.model_copy(update={"method": method.__name__, "hyperparameters": fields})
    evaluations = tuple(each.model_copy(update={"trial": cell.id}) for each in job.evaluations)
    return job.model_copy(update={"cell": cell, "evaluations": evaluations, "label": "hostile"})


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A task of files, whose tensors come from one memory-mapped file."""
    rng = np.random.default_rng(0)
    for split, name, number in np.ndindex(2, 2, 6):
        path = tmp_path / "pictures" / ("train", "test")[split] / "ab"[name] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return f"folder:{tmp_path / 'pictures'}"


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_what_a_method_is_given_does_not_lead_to_the_test_split(
    name: str, pictures: str, tiny: Path, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load(pictures if name == "folder" else name)
    tiny.write_text(tiny.read_text().replace("digits", task.name))
    job = hire(Walks, grid.jobs(grid.load(tiny))[0], monkeypatch)
    Walks.found.clear()
    complete(job, store, place)
    assert done(job, store).test_reads == 0
    assert not [each for each in Walks.found if isinstance(each, Task | TestSplit)]
    tensors = [each for each in Walks.found if isinstance(each, Tensor)]
    secret = {image.numpy().tobytes() for image in task.test.images}
    secret -= {image.numpy().tobytes() for image in task.train.images}
    assert len(tensors) >= 4 and secret
    for tensor in tensors:
        whole = bytes(tensor.untyped_storage())
        assert not any(image in whole for image in secret)


@pytest.mark.parametrize(
    ("where", "reads"), [("nowhere", 0), ("start", 1), ("step 1", 1), ("step 4", 1), ("synthetic", 1)]
)
def test_a_method_that_loads_the_task_is_counted_and_refused(
    where: str, reads: int, jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = hire(Loads, jobs[0], monkeypatch, where=where)
    complete(job, store, place)
    record = done(job, store)
    assert (record.status, record.test_reads) == ("done", reads)
    evaluation = store.record(job.evaluations[0].id)
    assert evaluation is not None and evaluation.test_reads == 1
    board = board_of(files.read([store.path]).records)
    assert [row.name for table in board.tables for row in table.rows] == ["hostile"] * (not reads)
    assert len(board.warnings) == reads
    assert all("it read the test split 1 time, and none is allowed" in each for each in board.warnings)


class Sneaks(Retrain):
    """An evaluator that reads the test split of a task it loads on the side, too."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        for _ in range(2):
            _ = load("digits").test
        return super().evaluate(synthetic, task, seed=seed)


def test_an_evaluator_that_loads_the_task_is_counted_and_refused(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "evaluator", lambda name: Sneaks)
    complete(jobs[0], store, place)
    board = board_of(files.read([store.path]).records)
    assert len(board.warnings) == 1
    assert "it read the test split 3 times for 2 trained networks" in board.warnings[0]


def test_reads_before_an_interruption_count(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runner, "CHECKPOINT_SECONDS", 0.0)
    job = hire(Loads, jobs[0], monkeypatch, where="step 1")
    work = job_runner.run(job, store, place)
    while next(work).step < 3:
        pass
    work.close()  # the steps after this one are taken by another worker
    complete(job, store, place)
    assert done(job, store).attempts == 2 and done(job, store).test_reads == 1
