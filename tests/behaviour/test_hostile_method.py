"""Methods that try to reach the test split: what they are given does not lead there.

A method gets `train`, a budget and a seed. What lies behind the interpreter's own doors (gc, frames,
closures, modules, the files themselves) is beyond any class in Python; a method that goes and loads
the task by itself is counted, and its record refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from suite.board import files
from suite.board.tables import board as board_of
from suite.core.data.tasks import load
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples, Scores, Task, TestSplit
from suite.experiments import grid, job_runner
from suite.experiments.resources import Resources
from suite.plugins.evaluators.retrain import Retrain
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

    moment: str = "never"

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return Hostile(train, budget, self)

    def at(self, moment: str) -> None:
        if moment == self.moment:
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


def hire(plugin: type, tiny: Path, **fields: str | int) -> Job:
    """Return the job of the tiny grid in which a class of this file is the method, or the evaluator."""
    kind = "evaluator" if hasattr(plugin, "evaluate") else "method"
    path = tiny.with_name("hostile.py")
    path.write_text(f"from {__name__} import {plugin.__name__}\n\n{kind.upper()} = {plugin.__name__}\n")
    values = "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
    tiny.write_text(tiny.read_text() + f'\n[{kind}.hostile]\nbase = "{path}"\n{values}')
    jobs = {job.label: job for job in grid.jobs(grid.load(tiny))}
    return jobs["hostile" if kind == "method" else "random_subset"]


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
    name: str, pictures: str, tiny: Path, store: Store, resources: Resources
) -> None:
    task = load(pictures if name == "folder" else name)
    tiny.write_text(tiny.read_text().replace("digits", task.name))
    job = hire(Walks, tiny)
    Walks.found.clear()
    complete(job, store, resources)
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
    ("moment", "reads"), [("never", 0), ("start", 1), ("step 1", 1), ("step 4", 1), ("synthetic", 1)]
)
def test_a_method_that_loads_the_task_is_counted_and_refused(
    moment: str, reads: int, tiny: Path, store: Store, resources: Resources
) -> None:
    job = hire(Loads, tiny, moment=moment)
    complete(job, store, resources)
    record = done(job, store)
    assert (record.status, record.test_reads) == ("done", reads)
    evaluation = store.record(job.evaluations[0].id)
    assert evaluation is not None and evaluation.test_reads == 1
    board = board_of(files.read([store.path]).records)
    assert [row.name for table in board.tables for row in table.rows] == ["hostile"] * (not reads)
    assert len(board.warnings) == reads
    assert all("it read the test split 1 time; a distillation must not" in each for each in board.warnings)


class Sneaks(Retrain):
    """An evaluator that reads the test split of a task it loads on the side, too."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        for _ in range(2):
            _ = load("digits").test
        return super().evaluate(synthetic, task, seed=seed)


def test_an_evaluator_that_loads_the_task_is_counted_and_refused(
    tiny: Path, store: Store, resources: Resources
) -> None:
    complete(hire(Sneaks, tiny, recipe="ncfm-40", copies=2), store, resources)
    board = board_of(files.read([store.path]).records)
    assert len(board.warnings) == 1
    assert "it read the test split 3 times for 2 networks" in board.warnings[0]


def test_reads_before_an_interruption_count(tiny: Path, store: Store, resources: Resources) -> None:
    job = hire(Loads, tiny, moment="step 1")
    work = job_runner.run(job, store, resources, checkpoint_seconds=0.0)
    while next(work).step < 3:
        pass
    work.close()  # the steps after this one are taken by another worker
    complete(job, store, resources)
    assert done(job, store).attempts == 2 and done(job, store).test_reads == 1
