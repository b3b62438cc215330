"""Images behind a task's name change: cells run again, and records of different data never meet."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import suite
from suite.board import files
from suite.core.data import tasks
from suite.experiments import grid, job_runner, preflight
from suite.experiments.cells.context import load_task
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support.command_line import ratbench
from tests.support.grids import QUICK
from tests.support.job_runs import complete, done

Change = Callable[[np.ndarray], np.ndarray]

MINE = QUICK.replace('"digits"', '"folder:data/mine"').replace('"ncfm-40"', '"dsa-1000"')
MINE = MINE.replace("[method.rat_bptt]\nsteps = 4\nunroll = 4\nwindow = 2\nreal_batch = 32\n", "")
ADDED = MINE + "\n[method.herding]\nepochs = 1\n\n[reference]\nepochs = 1\n"


def write_images(folder: Path, change: Change = lambda images: images, names: str = "abc") -> None:
    """Write three classes of digits as folders of PNGs, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    digits = tasks.load("digits")
    for split, part in (("train", digits.train), ("test", digits.test)):
        pixels = digits.preprocessing.invert(part.images[:200])[:, 0]
        images = change((pixels * 255).round().to(torch.uint8).numpy())
        for label, name in enumerate(names):
            (folder / split / name).mkdir(parents=True)
            for place, image in enumerate(images[(part.labels[:200] == label).numpy()]):
                Image.fromarray(image).save(folder / split / name / f"{place:03d}.png")


def inverted(images: np.ndarray) -> np.ndarray:
    return 255 - images


def records(store: Path) -> dict[str, list[Record]]:
    """Return the records of a store by the first digits of their data."""
    found: dict[str, list[Record]] = {}
    for record in files.read([store]).records:
        found.setdefault(record.data[:12], []).append(record)
    return found


@pytest.fixture
def mine(tmp_path: Path, elsewhere: None) -> Path:
    """The file of a grid over data/mine, whose images are written."""
    write_images(tmp_path / "data" / "mine")
    load_task.cache_clear()
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_cells_run_again_and_the_old_records_stay_in_tables_of_their_own(mine: Path) -> None:
    first = ratbench("run", mine, "--store", "store", "--inline")
    assert first.exit_code == 0 and "2 cells, 0 done, 2 to do" in first.stdout
    kept = {path: path.read_bytes() for path in Path("store").glob("records/*/*/*.json")}
    kept |= {path: path.read_bytes() for path in Path("store/artefacts").iterdir()}
    (old,) = records(Path("store"))

    write_images(Path("data/mine"), inverted)
    mine.write_text(ADDED)
    new = tasks.fingerprint(tasks.load("folder:data/mine"))[:12]
    line = f"mine: 2 cells were recorded on data {old}, and the task has data {new} now: to do again"
    for dry in (["--dry-run"], []):
        told = ratbench("run", mine, "--store", "store", "--inline", *dry)
        assert told.exit_code == 0 and line in told.stdout and "5 cells, 0 done, 5 to do" in told.stdout
    found = records(Path("store"))
    assert {each: len(found[each]) for each in found} == {old: 2, new: 5}
    assert {path: path.read_bytes() for path in kept} == kept

    warning = f"data {old} (2 records)"
    assert warning in told.stderr and f"data {new} (5 records)" in told.stderr
    made = files.load([Path("store")])
    names = {table.task: [row.name for row in table.rows] for table in made.tables}
    assert {task: sorted(rows) for task, rows in names.items()} == {
        f"folder:data/mine (data {old})": ["random_subset"],
        f"folder:data/mine (data {new})": ["herding", "random_subset"],
    }
    assert {table.task: bool(table.reference) for table in made.tables} == {
        f"folder:data/mine (data {old})": False,
        f"folder:data/mine (data {new})": True,
    }
    shown = Path("store/leaderboard.md").read_text()
    assert f"## folder:data/mine (data {old})" in shown and f"pictures/folder-data-mine-data-{new}-" in shown
    assert all((Path("store") / path).is_file() for path, *_ in files.sets(made))

    again = ratbench("run", mine, "--store", "store", "--inline")
    assert "5 cells, 5 done, 0 to do" in again.stdout and "recorded on" not in again.stdout
    write_images(Path("data/mine"))  # as they were
    back = ratbench("run", mine, "--store", "store", "--inline", "--dry-run")
    assert "5 cells, 2 done, 3 to do" in back.stdout


def test_the_board_cannot_be_checked_as_one(mine: Path) -> None:
    ratbench("run", mine, "--store", "one", "--inline")
    write_images(Path("data/mine"), inverted)
    ratbench("run", mine, "--store", "two", "--inline")
    for stores in (["one", "two"], ["two", "one"]):
        target = Path(f"{stores[0]}.md")
        wrote = ratbench("leaderboard", *stores, "--output", target)
        assert wrote.exit_code == 0 and "records of 2 different data under this name" in wrote.stderr
        checked = ratbench("leaderboard", *stores, "--output", target, "--check")
        assert checked.exit_code == 1 and "not to be published as one: folder:data/mine" in checked.stderr
        assert "does not match the records" not in checked.stderr
    assert Path("one.md").read_bytes() == Path("two.md").read_bytes()
    alone = ratbench("leaderboard", "two", "--output", "alone.md")
    assert alone.exit_code == 0 and "different data" not in alone.stderr
    assert "(data " not in Path("alone.md").read_text()
    assert ratbench("leaderboard", "two", "--output", "alone.md", "--check").exit_code == 0
    pictures = {path.read_bytes() for path in Path("pictures").glob("folder-data-mine-data-*/*.png")}
    assert len(pictures) == 2  # each of its own artefact, though both have the trial's id


@pytest.mark.parametrize(
    "change",
    [
        lambda images: np.where(np.arange(len(images))[:, None, None] == 1, 0, images).astype("uint8"),
        lambda images: np.flip(images, 2),
    ],
    ids=["one image", "mirrored"],
)
def test_any_change_of_pixels_is_seen_even_if_times_and_sizes_are_kept(
    change: Change, mine: Path, tmp_path: Path
) -> None:
    before = tasks.fingerprint(tasks.load("folder:data/mine"))
    write_images(tmp_path / "other", change)
    for path in (tmp_path / "other").rglob("*.png"):
        there = Path("data/mine") / path.relative_to(tmp_path / "other")
        shutil.copystat(there, path)
        shutil.copy2(path, there)
    assert tasks.fingerprint(tasks.load("folder:data/mine")) != before


def test_other_names_of_classes_are_other_data(mine: Path) -> None:
    before = tasks.fingerprint(tasks.load("folder:data/mine"))
    write_images(Path("data/mine"), names="abd")
    assert tasks.fingerprint(tasks.load("folder:data/mine")) != before
    write_images(Path("data/mine"))
    assert tasks.fingerprint(tasks.load("folder:data/mine")) == before


def test_a_set_is_not_scored_on_other_images_in_a_notebook(mine: Path) -> None:
    synthetic = suite.distil("random_subset", suite.load_task("folder:data/mine"), ipc=1)
    suite.save_set(synthetic, "set.safetensors", suite.load_task("folder:data/mine"))
    write_images(Path("data/mine"), inverted)
    task = suite.load_task("folder:data/mine")
    for each in (synthetic, suite.load_set("set.safetensors")):
        with pytest.raises(ValueError, match="distilled from other images or with other preprocessing"):
            suite.evaluate(each, task, recipe="dc-300", network="mlp-w8", copies=1)
    with pytest.raises(ValueError, match="distilled from other images"):
        suite.save_set(synthetic, "other.safetensors", task)
    meant = replace(synthetic, data="")
    assert suite.evaluate(meant, task, recipe="dc-300", network="mlp-w8", copies=1).values["accuracy"]


@pytest.mark.usefixtures("read_here")
def test_a_foreign_set_is_recorded_on_each_data(mine: Path) -> None:
    ratbench("run", mine, "--store", "store", "--inline")
    (artefact,) = Path("store/artefacts").glob("*.safetensors")
    words = ["--task", "folder:data/mine", "--ipc", "1", "--network", "mlp-w8", "--copies", "1", "--cpu"]
    first = ratbench("evaluate", artefact, *words)
    assert first.exit_code == 0 and "distilled from data" not in first.stderr
    write_images(Path("data/mine"), lambda images: np.roll(images, 1, 2))
    second = ratbench("evaluate", artefact, *words)
    assert second.exit_code == 0, second.output
    assert "2 cells were recorded on data" in second.stdout
    assert "warning: the set was distilled from data" in second.stderr
    found = records(Path("runs/external"))
    assert sorted(map(len, found.values())) == [2, 2]
    assert len(list(Path("runs/external/artefacts").glob("*.safetensors"))) == 2


# One process, as a worker of a cluster has it


@pytest.fixture
def job(mine: Path) -> Job:
    mine.write_text(MINE.replace("[method.random_subset]", "[method.dm]\nsteps = 4\nreal_batch = 4"))
    jobs = grid.jobs(grid.load(mine))
    preflight.check(jobs, Resources())
    return preflight.on_data(jobs)[0][0]


def change_images() -> None:
    write_images(Path("data/mine"), inverted)
    load_task.cache_clear()


def test_a_trial_that_began_on_other_images_begins_again(job: Job, store: Store) -> None:
    work = job_runner.run(job, store, Resources(), checkpoint_seconds=0.0)
    assert [next(work).step for _ in range(2)] == [1, 2]
    work.close()
    assert store.checkpoint_step(job.id) == 2
    change_images()
    (again,), _ = preflight.on_data([job])
    with pytest.warns(UserWarning, match=f"began on data {job.data[:12]}, and the task has data"):
        complete(again, store, Resources())
    record = store.record(job.id, again.data)
    assert record and record.data == again.data != job.data and record.attempts == 1
    assert store.record(job.id, job.data) is None
    assert len(list((store.path / "quarantine").iterdir())) == 2


def test_a_node_with_other_images_than_the_driver_works_on_nothing(job: Job, store: Store) -> None:
    change_images()
    assert set(complete(job, store, Resources()).values()) == {"failed"}
    failure = store.last_failure(job.id)
    assert failure and "give every node the same files" in failure.error and store.record(job.id) is None


def test_a_job_without_fingerprint_takes_that_of_the_images(job: Job, store: Store) -> None:
    unknown = job.model_copy(update={"data": ""})
    complete(unknown, store, Resources())
    assert done(job, store).data == job.data and complete(unknown, store, Resources()) == {}
    change_images()
    assert set(complete(unknown, store, Resources()).values()) == {"done"}
    assert len(list(store.records(job.id))) == 2


def test_snapshots_of_both_data_are_kept(mine: Path, store: Store) -> None:
    text = MINE.replace("[method.random_subset]", "[method.dm]\nsteps = 2\nreal_batch = 4")
    mine.write_text(text.replace("seeds =", "snapshots = [0.5]\nseeds ="))
    (job,) = grid.jobs(grid.load(mine))
    complete(job, store, Resources())
    before = {path: path.read_bytes() for path in store.path.glob("artefacts/*")}
    change_images()
    complete(job, store, Resources())
    assert {path: path.read_bytes() for path in before} == before
    new = tasks.fingerprint(tasks.load("folder:data/mine"))
    for step in (None, 1):
        assert store.data_of(store.artefact(job.id, step, new)) == new
        assert store.artefact(job.id, step, new) != store.artefact(job.id, step)
    cells = [cell for cell in job.evaluations if cell.step == 1]
    assert all(store.record(cell.id, new) for cell in cells) and cells
