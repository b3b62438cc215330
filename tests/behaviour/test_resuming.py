"""Runs that were cut off, and artefacts and checkpoints that were damaged: the same bits at the end."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from suite.core.spec import Examples
from suite.experiments import job_runner
from suite.experiments.cells import distillation, sets
from suite.experiments.outer_loop.loop import Trajectory, resume
from suite.experiments.resources import Resources
from suite.plugins import registry
from suite.plugins.smoke import BUDGET, smoke_data
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support.fake_device import fake_gpu
from tests.support.job_runs import complete, done, one


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """Retrain under the cheapest recipe."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "ncfm-40"))
    return tiny


def test_a_run_cut_off_goes_on_with_the_same_bits(
    jobs: list[Job], tmp_path: Path, store: Store, resources: Resources
) -> None:
    job, other = one(jobs, "rat_bptt"), Store.create(tmp_path / "undisturbed")
    complete(job, other, resources)
    work = job_runner.run(job, store, resources, checkpoint_seconds=0.0)
    assert [next(work).step for _ in range(2)] == [1, 2]
    work.close()
    assert store.record(job.id) is None
    assert [at.step for at in job_runner.run(job, store, resources)][:2] == [3, 4]
    assert done(job, store).artefact == done(job, other).artefact
    assert done(job, store).attempts == 2
    assert done(job, store).curve["outer_loss"] == done(job, other).curve["outer_loss"]
    assert not (store.path / "checkpoints" / job.id).exists()
    for cell in job.evaluations:
        first, second = store.record(cell.id), other.record(cell.id)
        assert first and second and first.scores["accuracy"] == second.scores["accuracy"]


def test_a_damaged_artefact_is_distilled_again_to_the_same_bits(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    job = one(jobs, "rat_bptt")
    complete(job, store, resources)
    before = store.artefact(job.id).read_bytes()
    store.artefact(job.id).write_bytes(before[:-8])
    (path,) = store.path.glob(f"records/*/*/{job.evaluations[0].id}.json")
    path.unlink()
    complete(job, store, resources)
    assert store.artefact(job.id).read_bytes() == before
    assert store.record(job.evaluations[0].id) is not None


def test_a_checkpoint_that_was_cut_short_costs_one_step(
    jobs: list[Job], tmp_path: Path, store: Store, resources: Resources
) -> None:
    job, other = one(jobs, "rat_bptt"), Store.create(tmp_path / "undisturbed")
    job = job.model_copy(update={"evaluations": ()})
    complete(job, other, resources)
    work = job_runner.run(job, store, resources, checkpoint_seconds=0.0)
    assert [next(work).step for _ in range(3)] == [1, 2, 3]
    work.close()
    newest = max((store.path / "checkpoints" / job.id).iterdir())
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.warns(UserWarning, match="does not match its name"):
        assert next(job_runner.run(job, store, resources)).step == 3
    complete(job, store, resources)
    assert done(job, store).artefact == done(job, other).artefact


def test_a_damaged_artefact_does_not_repeat_its_evaluation(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    job = jobs[0]
    complete(job, store, resources)
    (path,) = store.path.glob(f"records/*/*/{job.evaluations[0].id}.json")
    before = path.read_bytes()
    store.artefact(job.id).unlink()
    assert complete(job, store, resources) == {job.id: "done"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["write", "drop_checkpoints"])
def test_killed_between_the_set_and_its_record_nothing_is_half_there(
    name: str, tiny: Path, jobs: list[Job], store: Store, resources: Resources, tmp_path: Path
) -> None:
    """The set comes first: no record names a set that is not there."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "import torch; torch.set_num_threads(1)\n"
        "from suite.experiments import grid, job_runner; from suite.experiments.resources import Resources\n"
        "from suite.records.store import Store\n"
        f"Store.{name} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "job = grid.jobs(grid.load(Path(sys.argv[1])))[0].model_copy(update={'evaluations': ()})\n"
        "list(job_runner.run(job, Store(Path(sys.argv[2])), Resources()))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tiny, store.path])
    assert ended.returncode == -signal.SIGKILL
    job, recorded = jobs[0].model_copy(update={"evaluations": ()}), name == "drop_checkpoints"
    path = store.artefact(job.id)
    before = path.read_bytes()
    assert (store.record(job.id) is not None) is recorded and list(store.path.glob("failures/*/*/*")) == []
    assert sets.kept(job, store) == (done(job, store).artefact if recorded else "")
    assert complete(job, store, resources) == ({} if recorded else {job.id: "done"})
    assert path.read_bytes() == before
    assert done(job, store).artefact == sets.kept(job, store)


def test_a_set_that_another_process_recorded_meanwhile_stays(
    jobs: list[Job], store: Store, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zombie may finish after the one that took its place, and on a GPU with other bits."""
    job = one(jobs, "rat_bptt").model_copy(update={"evaluations": ()})
    zombie = job_runner.run(job, store, resources)
    next(zombie)
    complete(job, store, resources)
    record, before = done(job, store), store.artefact(job.id).read_bytes()
    write = distillation.write
    monkeypatch.setattr(
        distillation, "write", lambda made, *rest: write(replace(made, images=made.images + 1e-6), *rest)
    )
    list(zombie)
    assert done(job, store) == record and store.artefact(job.id).read_bytes() == before
    assert sets.lost(job, store) == ""


def test_the_artefact_of_another_trial_is_not_scored_as_this_ones(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    own, other = (job.model_copy(update={"evaluations": ()}) for job in jobs)
    complete(own, store, resources)
    complete(other, store, resources)
    before = store.artefact(own.id).read_bytes()
    for suffix in (".json", ".safetensors"):
        shutil.copy(store.artefact(other.id).with_suffix(suffix), store.artefact(own.id).with_suffix(suffix))
    complete(jobs[0], store, resources)
    evaluated = store.record(jobs[0].evaluations[0].id)
    assert evaluated is None or store.artefact(own.id).read_bytes() == before


def test_a_checkpoint_that_the_method_cannot_read_does_not_fail_for_ever(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    job = one(jobs, "rat_bptt")
    store.save_checkpoint(job.id, 2, {"state": {"x": 1}, "trajectory": {"steps": 4, "step": 2}})
    with pytest.warns(UserWarning, match="the method cannot load it: the state has"):
        complete(job, store, resources)
    assert done(job, store).status == "done" and len(list((store.path / "quarantine").iterdir())) == 1


@contextmanager
def on(device: str) -> Iterator[Examples]:
    """Give the training images on a device; a GPU is emulated."""
    with fake_gpu() if device == "cuda" else nullcontext():
        yield smoke_data().to(torch.device(device))


@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
@pytest.mark.parametrize("name", ["dm", "frepo", "idc", "mtt", "rat_bptt", "rfad", "rtp"])
def test_a_trial_goes_on_on_another_kind_of_device(name: str, first: str, then: str, store: Store) -> None:
    method = registry.configure(registry.method(name), registry.method(name).smoke, where=name)
    with on(first) as train:
        run = method.start(train, BUDGET, seed=0)
        run.step()
        store.save_checkpoint("cell", 1, {"state": run.state_dict(), "trajectory": vars(Trajectory(2, 1))})
        images = run.synthetic().images.cpu()
    with on(then) as train:
        again, trajectory = resume(partial(method.start, train, BUDGET, seed=0), store, "cell", Resources())
        assert trajectory.step == 1 and torch.equal(again.synthetic().images.cpu(), images)
        again.step()
        assert not torch.equal(again.synthetic().images.cpu(), images)
