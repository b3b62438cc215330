"""Running a grid: what is refused, counted, done and said."""

from pathlib import Path

import pytest
from typer.testing import Result

from suite.cli.running import preview, runner
from suite.cli.running.deadline import Deadline
from suite.cli.running.request import Request
from suite.core.data import tasks
from suite.experiments import job_runner
from suite.experiments.cells.progress import Work
from suite.experiments.job_runner import missing
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import broken_files, disks
from tests.support.grids import QUICK

TASKS = '["digits", "cifar10", "tiny-imagenet"]'


@pytest.fixture
def work_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_network_that_was_chosen_is_told(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preview.dry_run(Request(str(quick)))
    assert "network:" not in capsys.readouterr().out
    text = quick.read_text().replace('network = "convnet-d1-w8-in"\n', "").replace('["digits"]', TASKS)
    quick.write_text(text)
    preview.dry_run(Request(str(quick)))
    said = capsys.readouterr().out
    assert (
        "network: convnet-d3-w128-in for digits, cifar10, by image size, because the grid names none" in said
    )
    assert "network: convnet-d4-w128-in for tiny-imagenet, by image size" in said


def test_work_does_what_is_missing_and_show_says_so(
    quick: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Request(str(quick)).jobs()
    deadline = Deadline()
    runner.work(jobs[:1], store, Resources(), deadline)
    assert deadline.moved and [len(missing(job, store)) for job in jobs] == [0, 2]
    assert not runner.show(jobs, store)
    assert "2 cells are not done; run the same command again" in capsys.readouterr().out
    runner.work(jobs, store, Resources())
    assert "[2/2]" in capsys.readouterr().out
    assert runner.show(jobs, store)
    assert "not done" not in capsys.readouterr().out


@pytest.fixture
def jobs(finished: tuple[Path, Path, Result]) -> list[Job]:
    """The jobs of a grid that is finished in `copied`."""
    return Request(str(finished[0])).jobs()


def test_work_that_is_done_says_nothing(
    jobs: list[Job], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.work(jobs, Store(copied), Resources())
    assert capsys.readouterr().out == ""


def test_a_diverged_trial_is_not_tried_again(
    tmp_path: Path, work_in: None, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "diverges.py").write_text(broken_files.DIVERGES)
    (tmp_path / "mine.toml").write_text(
        QUICK.replace("[method.random_subset]", '[method.mine]\nbase = "diverges.py"')
    )
    jobs = [job for job in Request("mine.toml").jobs() if job.label == "mine"]
    runner.work(jobs, store, Resources())
    assert not runner.show(jobs, store)
    shown = capsys.readouterr().out
    assert "diverged: mine on digits ipc 1 seed 0: outer_loss is not finite at outer step 3" in shown
    assert "run the same command again" not in shown


def test_a_run_ends_with_a_board(quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = Request(str(quick), store=tmp_path / "store", inline=True)
    preview.dry_run(request)
    told = "\n".join(tasks.told(tasks.load("digits"))) + "\n"
    said = capsys.readouterr().out
    assert told in said and "4 cells, 0 done, 4 to do" in said and not request.folder.exists()
    assert runner.run(request)
    said = capsys.readouterr().out
    assert said.index(told) < said.index("4 cells, 0 done, 4 to do"), "before compute"
    assert f"leaderboard: {request.folder / 'leaderboard.md'}" in said
    assert (request.folder / "plan" / f"{request.plan}.json").is_file()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["leaderboard.md", "pictures/digits/rat_bptt-ipc1-seed0.png"])
def test_a_folder_in_the_place_of_a_board_or_a_picture_is_set_aside(
    name: str, finished: tuple[Path, Path, Result], copied: Path
) -> None:
    """No run of the store would end well again, though all of its cells are done."""
    disks.a_full_folder(copied / name)
    with pytest.warns(UserWarning, match="is not a file; moved to .*quarantine"):
        assert runner.run(Request(str(finished[0]), store=copied, inline=True))
    assert (copied / name).is_file()


def test_a_dry_run_tells_the_tasks_that_are_here(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preview.dry_run(Request(str(quick), settings=('tasks=["cifar10", "digits"]',)))
    said = capsys.readouterr().out
    assert "data missing, task not validated:" in said and "For cifar10, put" in said
    assert "digits: 10 classes, images of 1×8×8" in said and "8 cells, 0 done" in said


def test_a_set_that_is_made_again_is_counted(
    jobs: list[Job], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, store = jobs[1], Store(copied)
    store.artefact(job.id).unlink()
    for file in (copied / "records").rglob(f"{job.evaluations[0].id}*"):
        file.unlink()
    runner.work([job], store, Resources())
    said = capsys.readouterr().out
    assert "[1/2]" in said and "[2/2]" in said


def test_checkpoints_of_a_finished_trial_are_removed(
    jobs: list[Job], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was killed between the record, or a lost set that came again, and their end."""
    store = Store(copied)
    store.save_checkpoint(jobs[0].id, 3, {})
    runner.work(jobs, store, Resources())
    assert runner.show(jobs, store) and "goes on" not in capsys.readouterr().out
    assert not list((store.path / "checkpoints").glob("*"))


def test_a_lost_set_that_does_not_come_again_is_not_done(
    jobs: list[Job], copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its record is there and says that it is."""

    def fails(*_: object) -> Work:
        raise RuntimeError("broken now")
        yield

    store = Store(copied)
    assert runner.show(jobs, store)
    store.artefact(jobs[0].id).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(job_runner, "distil", fails)
        runner.work(jobs, store, Resources())
    capsys.readouterr()
    assert not runner.show(jobs, store)
    said = capsys.readouterr().out
    assert "RuntimeError: broken now" in said and "1 cell is not done; run the same command again" in said
    runner.work(jobs, store, Resources())
    assert runner.show(jobs, store)
