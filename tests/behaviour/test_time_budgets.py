"""Budgets in device-seconds, from a grid to records: which set counts, and what is charged."""

from contextlib import closing
from pathlib import Path

import pytest

from suite.cli.stores.status import Watched
from suite.experiments import grid, job_runner
from suite.experiments.resources import Resources
from suite.records.audit.findings import Finding
from suite.records.audit.store import audit
from suite.records.cells import Evaluation
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support.command_line import ratbench

METHOD = """
from dataclasses import dataclass
from time import sleep
import torch
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot

@dataclass(frozen=True)
class Slow(BaseMethod):
    \"\"\"Sleeps in its start and in each outer step; its images hold the number of steps.\"\"\"
    steps: int = 60
    start_seconds: float = 0.0
    bad: int = 0

    def start(self, train, budget, *, seed):
        sleep(self.start_seconds)
        return Run(self, train, budget)

METHOD = Slow

class Run(BaseDistiller):
    def __init__(self, method, train, budget):
        self.steps, self.taken, self.bad = method.steps, 0, method.bad
        self.images = torch.zeros(train.classes, budget.ipc, *train.shape)

    def synthetic(self):
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))

    def step(self):
        sleep(0.1)
        self.taken += 1
        self.images += 1
        return {"outer_loss": float("nan") if self.taken == self.bad else 1.0}
"""

EVALUATOR = """
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from suite.core.scores import Score
from suite.core.spec import Scores

@dataclass(frozen=True)
class Steps:
    \"\"\"Reads the number of outer steps off the images.\"\"\"
    title: ClassVar[str] = "Steps"
    scores: ClassVar[tuple[Score, ...]] = (Score("steps", "outer steps", "number"),)
    smoke: ClassVar[dict] = {}

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        with Path(__file__).with_suffix(".calls").open("a") as calls:
            calls.write("called\\n")
        task.test
        return Scores({"steps": (float(synthetic.images.max()),)})

EVALUATOR = Steps
"""

GRID = """
title = "At equal seconds"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"
budget.device_seconds = {budgets}

[method.slow]
base = "{folder}/slow.py"
{settings}

[evaluator.steps]
base = "{folder}/steps.py"
"""


def written(folder: Path, budgets: list[float], settings: str = "") -> Path:
    (folder / "slow.py").write_text(METHOD)
    (folder / "steps.py").write_text(EVALUATOR)
    path = folder / "seconds.toml"
    path.write_text(GRID.format(budgets=budgets, settings=settings, folder=folder))
    return path


def job_of(path: Path) -> Job:
    (job,) = grid.jobs(grid.load(path))
    return job


class Done:
    """A finished job: its trial's record, and the steps of the set that each budget has."""

    def __init__(self, job: Job, store: Store) -> None:
        self.trial = record(store, job, job.id)
        self.evaluations = {cell.device_seconds: record(store, job, cell.id) for cell in job.evaluations}
        self.steps = {
            budget: found.scores.get("steps", (found.status,))[0]
            for budget, found in self.evaluations.items()
        }

    def last_within(self, budget: float) -> int:
        """The last step that had ended when a budget was spent, by the trial's curve."""
        curve = self.trial.curve
        return max(
            int(step) for step, at in zip(curve["step"], curve["seconds"], strict=True) if at <= budget
        )


def wrong(store: Store) -> list[Finding]:
    return [each for each in audit(store.path).found if each.severity == "error"]


def record(store: Store, job: Job, cell: str) -> Record:
    found = store.record(cell, job.data) or store.last_failure(cell)
    assert found is not None
    return found


def run(path: Path, store: Store) -> Done:
    job = job_of(path)
    for _ in job_runner.run(job, store, Resources()):
        pass
    assert job_runner.due(job, store) == []
    return Done(job, store)


def test_one_run_gives_the_set_of_each_budget_and_stops_at_the_last(tmp_path: Path, store: Store) -> None:
    found = run(written(tmp_path, [0.25, 0.55, 0.85]), store)
    assert [each.budget for each in found.trial.moments] == [0.25, 0.55]
    assert len(found.trial.curve["step"]) < 10, "of 60 planned steps"
    for budget, steps in found.steps.items():
        assert steps == found.last_within(budget or 0.85)
    for each in found.trial.moments:
        assert each.device_seconds <= each.budget
    assert found.trial.seconds <= found.trial.device_seconds <= 0.85
    assert not wrong(store)


def test_what_ended_before_counts_for_all_later_budgets_and_is_scored_once(
    tmp_path: Path, store: Store
) -> None:
    found = run(written(tmp_path, [0.15, 5.0, 9.0], "steps = 3"), store)
    assert found.steps == {0.15: 1, 5.0: 3, None: 3}
    assert [each.budget for each in found.trial.moments] == [0.15]
    assert (tmp_path / "steps.calls").read_text().count("called") == 2
    assert found.evaluations[5.0].artefact == found.trial.artefact
    assert not wrong(store)


def test_a_start_is_charged_and_a_budget_that_ends_in_it_has_no_set(tmp_path: Path) -> None:
    path, folder = written(tmp_path, [0.2, 0.65], "start_seconds = 0.3"), tmp_path / "store"
    result = ratbench("run", str(path), "--store", str(folder), "--inline")
    store = Store(folder)
    found = Done(job_of(path), store)
    assert found.trial.seconds >= 0.4 and found.steps == {0.2: "late", None: found.last_within(0.65)}
    assert [each.step for each in found.trial.moments] == [0]
    assert found.evaluations[0.2].error == "no set was ready within 0.2 device-seconds"
    assert result.exit_code == 0 and f"late: {found.evaluations[0.2].error}" in result.output
    (plan,) = Watched(folder).status().plans
    assert plan.over and plan.counts["late"] == 1 and not wrong(store)


def test_a_trial_without_a_set_at_its_last_budget_is_not_tried_again(tmp_path: Path, store: Store) -> None:
    found = run(written(tmp_path, [0.1, 0.2], "start_seconds = 0.3"), store)
    assert found.trial.status == "late" and found.steps == {0.1: "late", None: "late"}
    assert not wrong(store)


def test_a_set_that_still_grows_is_late(tmp_path: Path, store: Store) -> None:
    path = written(tmp_path, [0.25, 0.55])
    path.write_text(path.read_text().replace("ipc = [1]", "ipc = [2]"))
    growing = METHOD.replace("    bad: int = 0", "    bad: int = 0\n    ordered: ClassVar[bool] = True")
    growing = growing.replace("from time", "from typing import ClassVar\nfrom time").replace(
        "SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))",
        "SyntheticSet(self.images[:, :1].clone(), one_hot(10, 1))",
    )
    (tmp_path / "slow.py").write_text(growing)
    found = run(path, store)
    assert found.trial.status == "late" and found.steps == {0.25: "late", None: "late"}
    assert not wrong(store)


def test_sets_from_before_a_run_diverged_are_scored(tmp_path: Path, store: Store) -> None:
    path = written(tmp_path, [0.25, 9.0], "bad = 5")
    job = job_of(path)
    list(job_runner.run(job, store, Resources()))
    trial = store.record(job.id)
    assert trial is not None and trial.status == "diverged" and job_runner.due(job, store) == []
    scored = {cell.device_seconds: store.record(cell.id) for cell in job.evaluations}
    early = scored[0.25]
    assert scored[None] is None and early is not None and early.scores["steps"] == (trial.moments[0].step,)
    assert not wrong(store)


def test_a_run_that_was_stopped_goes_on_with_what_it_has_spent(tmp_path: Path, store: Store) -> None:
    path = written(tmp_path, [0.25, 0.85])
    job = job_of(path)
    with closing(job_runner.run(job, store, Resources())) as work:
        while next(work).step < 5:
            pass
    found = run(path, store)
    assert found.trial.attempts == 2 and [each.budget for each in found.trial.moments] == [0.25]
    assert found.steps == {0.25: found.last_within(0.25), None: found.last_within(0.85)}


def test_stopped_after_every_step_no_budget_gets_a_step_that_ended_after_it(
    tmp_path: Path, store: Store
) -> None:
    path = written(tmp_path, [0.25, 0.45])
    job = job_of(path)
    while not store.record(job.id):
        with closing(job_runner.run(job, store, Resources())) as work:
            next(work)
    found = run(path, store)
    assert found.steps == {0.25: found.last_within(0.25), None: found.last_within(0.45)}
    assert found.trial.device_seconds <= 0.45 and found.trial.moments[0].device_seconds <= 0.25


def test_a_budget_that_came_while_a_run_was_stopped_has_no_set_of_a_later_step(
    tmp_path: Path, store: Store
) -> None:
    job = job_of(written(tmp_path, [0.65]))
    with closing(job_runner.run(job, store, Resources())) as work:
        while next(work).step < 4:
            pass
    job = job_of(written(tmp_path, [0.25, 0.65]))
    list(job_runner.run(job, store, Resources()))
    assert record(store, job, job.id).moments == ()
    (cell,) = job_runner.due(job, store)
    assert "because this budget was added later" in record(store, job, cell.id).error


def test_a_grid_without_budgets_has_the_ids_that_it_had(tmp_path: Path) -> None:
    path = written(tmp_path, [1.0])
    with_one = job_of(path)
    path.write_text(path.read_text().replace("budget.device_seconds = [1.0]\n", ""))
    without = job_of(path)
    assert with_one.id != without.id and "device_seconds" not in without.cell.model_dump(mode="json")
    assert [cell.device_seconds for cell in with_one.evaluations] == [None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("budget.device_seconds = [10, 1]", "write each budget once, the smallest first"),
        ("budget.seconds = [10]", "budget: unknown key 'seconds'; did you mean 'device_seconds'"),
        ("budget.moments = 3", "budget.device_seconds: field required"),
    ],
)
def test_a_wrong_budget_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, [1.0])
    path.write_text(path.read_text().replace("budget.device_seconds = [1.0]", line))
    with pytest.raises(ValueError, match=message):
        grid.load(path)


def test_a_budget_that_comes_later_needs_a_new_run(tmp_path: Path, store: Store) -> None:
    run(written(tmp_path, [0.15, 0.65]), store)
    path = written(tmp_path, [0.15, 0.35, 0.65])
    job = job_of(path)
    list(job_runner.run(job, store, Resources()))
    (cell,) = job_runner.due(job, store)
    failure = store.last_failure(cell.id)
    assert (
        failure is not None
        and f"set it aside by `ratbench forget STORE {job.id[:12]} --yes`" in failure.error
    )
    assert ratbench("forget", str(store.path), job.id[:12], "--yes").exit_code == 0
    assert run(path, store).steps.keys() == {0.15, 0.35, None}


def test_a_lost_snapshot_is_made_again_with_what_follows_from_it(tmp_path: Path, store: Store) -> None:
    """Another run may be faster or slower, so that the budgets are spent after other steps."""
    path = written(tmp_path, [0.25, 5.0], "steps = 4")
    before, job = run(path, store), job_of(path)
    store.artefact(job.id, before.trial.moments[0].step).unlink()
    assert job_runner.due(job, store)[0] == job.cell
    (tmp_path / "slow.py").write_text(METHOD.replace("sleep(0.1)", "sleep(0.2)"))
    # Only the time differs, as on a slower machine: the id of the trial stays.
    list(job_runner.run(job, store, Resources()))
    after = Done(job, store)
    assert [each.step for each in after.trial.moments] == [1] and after.steps == {0.25: 1, None: 4}
    assert job_runner.due(job, store) == [] and not wrong(store)


def test_titles_tell_budgets_apart(tmp_path: Path) -> None:
    job = job_of(written(tmp_path, [10, 100]))
    assert [cell.title for cell in job.evaluations if isinstance(cell, Evaluation)] == [
        "steps",
        "steps within 10 device-seconds",
    ]
