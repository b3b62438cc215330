"""The sets of finished trials: what is wrong with them is told, and what follows is right."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from suite.experiments.cells import distillation, sets
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import disks
from tests.support.job_runs import complete, done


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """Retrain under the cheapest recipe, once."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "ncfm-40").replace("copies = 2", "copies = 1"))
    return tiny


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of stores in which a job is done, by the job's id."""
    return {}


@pytest.fixture
def job(jobs: list[Job], store: Store, resources: Resources, whole: dict[str, Path], tmp_path: Path) -> Job:
    """A job that is done in the store."""
    job = jobs[0]
    if job.id not in whole:
        complete(job, store, resources)
        whole[job.id] = Path(shutil.copytree(store.path, tmp_path.parent / f"whole-{job.id[:8]}"))
    shutil.copytree(whole[job.id], store.path, dirs_exist_ok=True)
    return job


def test_nothing_is_wrong_with_a_finished_job(job: Job, store: Store) -> None:
    assert sets.lost(job, store) == "" and sets.kept(job, store) == done(job, store).artefact
    assert all(sets.is_scored(cell, job, store) for cell in job.evaluations)
    (cell,) = job.evaluations
    scored = store.record(cell.id)
    assert scored and scored.artefact == done(job, store).artefact


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
@pytest.mark.parametrize("damage", disks.DAMAGES, ids=lambda damage: damage.__name__)
def test_each_damage_is_seen_and_healed_to_the_same_bits(
    damage: Callable[[Path], None], ending: str, job: Job, store: Store, resources: Resources
) -> None:
    paths = [store.artefact(job.id).with_suffix(each) for each in (".safetensors", ".json")]
    before = [path.read_bytes() for path in paths]
    records = {path: path.read_bytes() for path in store.path.glob("records/*/*/*.json")}
    damage(paths[0].with_suffix(ending))
    assert str(paths[0].with_suffix("")) in sets.lost(job, store) and sets.kept(job, store) == ""
    assert complete(job, store, resources) == {job.id: "done"}
    assert [path.read_bytes() for path in paths] == before and sets.lost(job, store) == ""
    assert {path: path.read_bytes() for path in store.path.glob("records/*/*/*.json")} == records


def test_the_set_of_another_trial_is_none(job: Job, jobs: list[Job], store: Store) -> None:
    path = store.artefact(job.id)
    other = store.artefact(jobs[1].id)
    for ending in (".safetensors", ".json"):
        path.with_suffix(ending).rename(other.with_suffix(ending))
        shutil.copy(other.with_suffix(ending), path.with_suffix(ending))
    assert sets.lost(job, store) == ""
    manifest = path.with_suffix(".json")
    manifest.write_text(manifest.read_text().replace(f'"seed": {job.cell.seed}', '"seed": 7'))
    assert "does not match its seal" in sets.lost(job, store)


def test_a_set_that_came_out_otherwise_is_evaluated_again_and_the_old_results_are_kept_aside(
    job: Job, store: Store, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at another number of threads, or on a GPU."""
    before = done(job, store)
    store.artefact(job.id).unlink()
    write = distillation.write
    monkeypatch.setattr(
        distillation, "write", lambda made, *rest: write(replace(made, images=made.images + 1e-6), *rest)
    )
    with pytest.warns(UserWarning, match="is of a set that was lost, and the trial gave another one"):
        assert set(complete(job, store, resources)) == {cell.id for cell in job.cells}
    after = done(job, store)
    assert after.artefact != before.artefact and sets.lost(job, store) == ""
    (cell,) = job.evaluations
    scored = store.record(cell.id)
    assert scored and scored.artefact == after.artefact
    aside = [path.name.partition("-")[2] for path in sorted((store.path / "quarantine").iterdir())]
    assert aside == [f"{cell.id}.json", f"{job.id}.json"]  # evaluations first
    assert complete(job, store, resources) == {}


def test_an_evaluation_of_another_set_does_not_count(job: Job, store: Store, resources: Resources) -> None:
    (cell,) = job.evaluations
    (path,) = store.path.glob(f"records/*/*/{cell.id}.json")
    other = done(job, store).model_copy(update={"artefact": "0" * 64})
    record = store.record(cell.id)
    assert record
    path.write_text(record.model_copy(update={"artefact": other.artefact, "sha256": ""}).to_json())
    assert not sets.is_scored(cell, job, store)
    with pytest.warns(UserWarning, match="moved to"):
        assert complete(job, store, resources) == {cell.id: "done"}
    assert sets.is_scored(cell, job, store)


def test_those_of_earlier_releases_count(job: Job, store: Store) -> None:
    (cell,) = job.evaluations
    (path,) = store.path.glob(f"records/*/*/{cell.id}.json")
    record = store.record(cell.id)
    assert record
    path.write_text(record.model_copy(update={"artefact": "", "sha256": ""}).to_json())
    assert sets.is_scored(cell, job, store)
