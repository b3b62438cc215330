"""Runs that stop at their deadline: nothing is lost, and the same command goes on to the same bits."""

import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from suite.cli.running import runner
from suite.cli.running.deadline import Deadline, Stopped
from suite.cli.running.request import Request
from suite.experiments.cells import evaluation
from suite.records.cells import Evaluation
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import broken_files
from tests.support.command_line import ratbench, refused
from tests.support.grids import QUICK
from tests.support.job_runs import done, one

pytestmark = pytest.mark.usefixtures("elsewhere")


class AfterChecks(Deadline):
    """Near its end after a number of checks."""

    def __init__(self, checks: int) -> None:
        super().__init__("1h")
        self.checks = checks

    def near(self, needs: float = 0.0) -> bool:
        self.checks -= 1
        return super().near(needs if self.checks > 0 else 1e9)


def request(grid: Path, store: Path) -> Request:
    return Request(str(grid), store=store, inline=True)


def test_stopped_again_and_again_a_run_ends_with_the_same_bits(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each time in a copy of the store, as on another machine."""
    other, stops = request(quick, tmp_path / "undisturbed"), 0
    assert runner.run(other)
    while True:
        disturbed = request(quick, tmp_path / f"store-{stops}")
        try:
            assert runner.run(disturbed, AfterChecks(6))
            break
        except Stopped as reason:
            assert str(reason) == "the time limit of 1h is near"
            assert (disturbed.folder / "leaderboard.md").is_file()
            stops += 1
            shutil.copytree(disturbed.folder, tmp_path / f"store-{stops}")
    assert stops >= 2 and "goes on after outer step" in capsys.readouterr().out
    here, there = Store(disturbed.folder), Store(other.folder)
    for job in other.jobs():
        assert done(job, here).artefact == done(job, there).artefact
        for cell in job.evaluations:
            first, second = here.record(cell.id), there.record(cell.id)
            assert first and second and first.scores["accuracy"] == second.scores["accuracy"]


def test_no_evaluation_begins_without_the_time_that_one_took_before(quick: Path, store: Store) -> None:
    asked = Request(str(quick), settings=("seeds=[0, 1]",), store=store.path, inline=True)
    first, second = (job for job in asked.jobs() if job.label == "random_subset")
    assert runner.run(Request(str(quick), store=store.path, inline=True))
    lengthen(store, first)
    with pytest.raises(Stopped, match="the time limit of 1h is near"):
        runner.run(asked, Deadline("1h"))
    assert store.record(second.id) is not None and store.record(second.evaluations[0].id) is None
    assert all(store.record(cell.id) for job in asked.jobs() if job.label == "rat_bptt" for cell in job.cells)
    assert runner.run(asked)


def lengthen(store: Store, job: Job) -> None:
    """Let the job's evaluation have taken two hours."""
    (cell,) = job.evaluations
    (path,) = store.path.glob(f"records/*/*/{cell.id}.json")
    record = store.record(cell.id)
    assert record is not None and isinstance(record.cell, Evaluation)
    path.write_text(record.model_copy(update={"seconds": 7200.0}).to_json())
    evaluation._times.cache_clear()  # as in another process


def test_ctrl_c_stays_ctrl_c(quick: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a cell was left out for lack of time."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    late = Deadline("1h")
    assert late.near(1e9) and late.reason
    monkeypatch.setattr("suite.experiments.job_runner.run", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        runner.run(request(quick, store.path), late)
    assert not isinstance(caught.value, Stopped)


@pytest.fixture
def slow(quick: Path, tmp_path: Path) -> Path:
    """A grid with a method whose steps take a second each."""
    (tmp_path / "slow.py").write_text(broken_files.SLOW)
    text = QUICK.replace("[method.rat_bptt]", '[method.slow]\nbase = "slow.py"')
    quick.write_text(text.replace("steps = 4\nunroll = 4\nwindow = 2\nreal_batch = 32", "steps = 600"))
    return quick


def test_a_limit_ends_with_code_75_and_what_is_left_unless_nothing_was_done(slow: Path) -> None:
    ran = ratbench("run", slow, "--inline", "--time-limit", "6s")
    assert ran.exit_code == 75, ran.output
    assert "2 cells are not done\n" in ran.stdout
    assert "stopped, since the time limit of 6s is near; run the same command again to go on" in ran.stdout
    job = one(Request(str(slow)).jobs(), "slow")
    step = Store(Path("runs/quick")).checkpoint_step(job.id)
    assert step and f"goes on after outer step {step}: slow on digits ipc 1 seed 0" in ran.stdout

    slow.with_name("slow.py").write_text(broken_files.SLOW.replace("sleep(1)", "sleep(60)"))
    again = ratbench("run", slow, "--inline", "--time-limit", "2s")
    refused(again, "--time-limit 2s is too short: after 2 s no cell had taken an outer step", "more time")


@pytest.mark.parametrize(
    ("limit", "said"),
    [("0.001", "--time-limit 0.001 is too short"), ("soon", "--time-limit 'soon': write a time above 0")],
)
def test_a_limit_shorter_than_the_start_and_no_limit_at_all_are_refused(
    quick: Path, limit: str, said: str
) -> None:
    refused(ratbench("run", quick, "--inline", "--time-limit", limit), said)
    assert not Path("runs/quick/plan").exists()
