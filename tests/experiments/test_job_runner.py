"""One job from start to records: what is recorded, what survives, what is refused."""

import errno
import hashlib
import json
import os
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import torch

from suite.board import files
from suite.core.data import tasks
from suite.core.execution import compile_cache
from suite.core.scores import Score
from suite.core.sets import sealing
from suite.core.sets.artefacts import load_artefact
from suite.experiments import grid, job_runner, preflight
from suite.experiments.cells.context import Context
from suite.experiments.resources import Resources
from suite.plugins import registry
from suite.records.jobs import Job, Plan
from suite.records.store import Store
from suite.records.stores.heartbeat import signs
from tests.support import broken_files
from tests.support.job_runs import complete, done, one

UNTRAINED = pytest.mark.usefixtures("untrained")
"""Of tests that do not look at accuracies."""


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """Retrain under the cheapest recipe."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "ncfm-40"))
    return tiny


def broken(tiny: Path, text: str) -> list[Job]:
    """Return the jobs of the tiny grid and of a method file that goes wrong."""
    path = tiny.with_name("broken.py")
    path.write_text(text)
    if "[method.broken]" not in tiny.read_text():
        tiny.write_text(tiny.read_text() + f'\n[method.broken]\nbase = "{path}"\n')
    return grid.jobs(grid.load(tiny))


@UNTRAINED
def test_no_trial_pays_for_what_torch_loads_late(
    jobs: list[Job], store: Store, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first optimiser of a process imports a thousand modules."""
    loaded = list[str]()

    def load(name: str) -> None:
        sleep(1.0)
        loaded.append(name)

    monkeypatch.setattr(job_runner, "import_module", load)
    job = one(jobs, "random_subset")
    complete(job, store, resources)
    assert loaded == ["torch._dynamo"] and done(job, store).device_seconds < 1.0


def test_from_grid_to_record_to_table(jobs: list[Job], store: Store, resources: Resources) -> None:
    store.write_plan("tiny", Plan.of(jobs).to_json())
    for job in jobs:
        assert set(complete(job, store, resources).values()) == {"done"}
        assert job_runner.missing(job, store) == []
    for job in jobs:
        trial = done(job, store)
        assert trial.stored_bytes == 10 * 1 * 8 * 8 * 4 and trial.label_kind == "hard"
        assert trial.artefact == hashlib.sha256(store.artefact(job.id).read_bytes()).hexdigest()
        assert trial.test_reads == 0 and trial.seconds > 0 and trial.device_seconds >= trial.seconds
        assert trial.peak_memory_bytes > 10**7 and trial.provenance.versions["torch"] == torch.__version__
        scores = store.record(job.evaluations[0].id)
        assert scores is not None and scores.test_reads == 1 and scores.seconds > 0
        assert len(scores.scores["accuracy"]) == 2 and scores.scores["accuracy"][0] > 0.1
    board = files.load([store.path])
    rows = {row.name: row for row in board.tables[0].rows}
    for job in jobs:
        record = store.record(job.evaluations[0].id)
        assert record is not None
        mean = sum(record.scores["accuracy"]) / 2
        assert rows[job.label].scores["ncfm-40"].mean == pytest.approx(mean)
    assert board.test_reads == (1,) and board.distillation_reads == (0,)


@UNTRAINED
def test_what_is_recorded_is_not_done_again(jobs: list[Job], store: Store, resources: Resources) -> None:
    complete(jobs[0], store, resources)
    before = {path: path.read_bytes() for path in store.path.rglob("*.*")}
    assert list(job_runner.run(jobs[0], store, resources)) == []
    assert before == {path: path.read_bytes() for path in store.path.rglob("*.*")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (broken_files.DIVERGES, "outer_loss is not finite at outer step 3"),
        (broken_files.NOT_FINITE, "the set's images are not finite"),
    ],
)
def test_a_diverged_trial_is_recorded_and_never_tried_again(
    tiny: Path, store: Store, resources: Resources, text: str, reason: str
) -> None:
    job = one(broken(tiny, text), "broken")
    assert complete(job, store, resources) == {job.id: "diverged"}
    assert done(job, store).error == reason
    assert job_runner.missing(job, store) == [] and complete(job, store, resources) == {}


@UNTRAINED
def test_a_failed_trial_stops_no_other_and_is_tried_again(
    tiny: Path, store: Store, resources: Resources
) -> None:
    jobs = broken(tiny, broken_files.RAISES)
    finished: dict[str, str] = {}
    for job in reversed(jobs):
        finished |= complete(job, store, resources)
    assert sorted(finished.values()) == ["done"] * 4 + ["failed"]
    job = one(jobs, "broken")
    complete(job, store, resources)
    failure = store.last_failure(job.id)
    assert failure is not None and failure.attempts == 2
    line = broken_files.RAISES.splitlines().index('        raise RuntimeError("the method is broken")') + 1
    assert failure.error == f"RuntimeError: the method is broken (broken.py:{line})"
    assert len(job_runner.missing(job, store)) == 2


def with_evaluator_that_fails_once(tiny: Path) -> Job:
    """Return the first job of the tiny grid, which is also scored by an evaluator that fails once."""
    path = tiny.with_name("fails_once.py")
    path.write_text(broken_files.FAILS_ONCE)
    tiny.write_text(tiny.read_text() + f'\n[evaluator.halves]\nbase = "{path}"\n')
    return grid.jobs(grid.load(tiny))[0]


@UNTRAINED
def test_an_evaluation_that_failed_repeats_and_stops_nothing_else(
    tiny: Path, store: Store, resources: Resources
) -> None:
    job = with_evaluator_that_fails_once(tiny)
    retrain, halves = job.evaluations
    job = job.model_copy(update={"evaluations": (halves, retrain)})
    finished = complete(job, store, resources)
    assert finished == {job.id: "done", halves.id: "failed", retrain.id: "done"}
    failure = store.last_failure(halves.id)
    assert failure is not None and failure.error.startswith("RuntimeError: once (fails_once.py:")
    assert job_runner.missing(job, store) == [halves]
    assert complete(job, store, resources) == {halves.id: "done"}


@UNTRAINED
def test_a_record_tells_how_an_evaluators_scores_are_shown(
    tiny: Path, store: Store, resources: Resources
) -> None:
    job = with_evaluator_that_fails_once(tiny)
    complete(job, store, resources)
    complete(job, store, resources)
    record = store.record(job.evaluations[1].id)
    assert record is not None and record.scores == {"half": (0.5,)} and record.attempts == 2
    assert record.title == "By halves" and record.described == (Score("half", "half right", "fraction"),)


def test_an_edited_evaluator_is_another_cell(tiny: Path) -> None:
    before = with_evaluator_that_fails_once(tiny).evaluations
    path = tiny.with_name("fails_once.py")
    path.write_text(path.read_text().replace("0.5", "0.25"))
    after = grid.jobs(grid.load(tiny))[0].evaluations
    assert before[0].id == after[0].id and before[1].id != after[1].id


@pytest.mark.parametrize("text", [broken_files.OUT_OF_MEMORY, broken_files.OUT_OF_MEMORY_IN_A_COMPILER])
def test_out_of_memory_is_said(tiny: Path, store: Store, resources: Resources, text: str) -> None:
    job = one(broken(tiny, text), "broken")
    assert complete(job, store, resources) == {job.id: "oom"}


def test_a_full_disk_stops_the_run(
    jobs: list[Job], store: Store, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        complete(jobs[0], store, resources)
    assert store.record(jobs[0].id) is None and store.last_failure(jobs[0].id) is None


def test_a_set_of_other_images_is_not_evaluated(jobs: list[Job], store: Store, resources: Resources) -> None:
    job = jobs[0]
    complete(job.model_copy(update={"evaluations": ()}), store, resources)
    manifest = store.artefact(job.id).with_suffix(".json")
    facts = json.loads(manifest.read_text())
    manifest.write_text(sealing.to_json(facts | {"data": "something else"}))
    assert complete(job, store, resources) == {job.evaluations[0].id: "failed"}
    failure = store.last_failure(job.evaluations[0].id)
    assert failure is not None and "distilled from other images or with other preprocessing" in failure.error


@UNTRAINED
def test_the_artefact_undoes_its_preprocessing(jobs: list[Job], store: Store, resources: Resources) -> None:
    complete(jobs[0], store, resources)
    made, manifest = load_artefact(store.artefact(jobs[0].id))
    task = tasks.load("digits")
    raw = task.preprocessing.invert(made.images.flatten(0, 1))
    assert raw.min() == 0 and raw.max() == 1
    assert manifest["class_names"] == [str(digit) for digit in range(10)]
    assert manifest["preprocessing"] == task.preprocessing.describe()


def test_a_gpu_where_there_is_none_is_refused(jobs: list[Job]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match="a GPU was requested, but torch finds none"):
        preflight.check(jobs, Resources(gpus=1.0))


def test_what_does_not_fit_the_task_is_refused_before_the_start(tiny: Path, resources: Resources) -> None:
    tiny.write_text(tiny.read_text().replace("ipc = [1]", "ipc = [1, 500]"))
    with pytest.raises(ValueError, match=r"random_subset on digits at ipc 500: ipc 500 is larger than the"):
        preflight.check(grid.jobs(grid.load(tiny)), resources)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["ncfm-40"]', '["ncfm-40:tf32"]'),
        ("window = 2", 'window = 2\nprecision = "tf32"'),
        ("copies = 2", 'copies = 2\n[reference]\nepochs = 1\nrecipe = "ncfm-40:tf32"'),
    ],
    ids=["recipe", "method", "reference"],
)
def test_a_precision_that_the_place_has_not_is_refused_before_the_start(
    tiny: Path, resources: Resources, old: str, new: str
) -> None:
    tiny.write_text(tiny.read_text().replace(old, new))
    jobs = grid.jobs(grid.load(tiny))
    with pytest.raises(ValueError, match="precision tf32 needs a GPU; use float32 on a CPU"):
        preflight.check(jobs, resources)
    preflight.check(jobs, None)  # a cluster's nodes may be able to


def test_the_precision_of_a_recipe_lands_in_its_record(
    tiny: Path, resources: Resources, store: Store
) -> None:
    tiny.write_text(tiny.read_text().replace('["ncfm-40"]', '["ncfm-40", "ncfm-40:bf16"]'))
    job = grid.jobs(grid.load(tiny))[0]
    assert set(complete(job, store, resources).values()) == {"done"}
    records = [store.record(cell.id) for cell in job.evaluations]
    plain, rounded = (record.scores["accuracy"] for record in records if record)
    assert [cell.settings["recipe"] for cell in job.evaluations] == ["ncfm-40", "ncfm-40:bf16"]
    assert plain == pytest.approx(rounded, abs=0.05)


def test_a_reference_is_recorded_once_with_one_read(tiny: Path, store: Store, resources: Resources) -> None:
    tiny.write_text(tiny.read_text() + "\n[reference]\nepochs = 3\ncopies = 2\n")
    job = grid.jobs(grid.load(tiny))[0]
    complete(job, store, resources)
    record = done(job, store)
    assert record.test_reads == 1 and len(record.scores["accuracy"]) == 2
    assert min(record.scores["accuracy"]) > 0.3
    assert complete(job, store, resources) == {}


def test_threads_follow_the_resources(jobs: list[Job], store: Store) -> None:
    work = job_runner.run(jobs[0], store, Resources(cpus=2))
    while not next(work).finished:
        pass
    work.close()  # two threads wait for each other long where the processor is shared
    record = done(jobs[0], store)
    assert record.provenance.threads == 2 and record.device_seconds == pytest.approx(2 * record.seconds)


@UNTRAINED
@pytest.mark.parametrize("allowed", [True, False])
def test_compiled_steps_are_read_before_a_job_and_written_after_its_cells(
    jobs: list[Job], store: Store, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    seen: list[tuple[str, Path]] = []
    monkeypatch.setattr(compile_cache, "load", lambda folder: seen.append(("load", folder)))
    monkeypatch.setattr(compile_cache, "save", lambda folder: seen.append(("save", folder)))
    resources = Resources(compile=allowed)
    list(job_runner.run(jobs[0], store, resources, checkpoint_seconds=0.0))
    folder = Context(jobs[0], store, resources).compiled
    assert seen == ([("load", folder), ("save", folder), ("save", folder)] if allowed else [])


def test_a_method_that_leaves_has_failed(tiny: Path, store: Store, resources: Resources) -> None:
    job = one(broken(tiny, broken_files.LEAVES), "broken")
    assert complete(job, store, resources) == {job.id: "failed"}


@UNTRAINED
def test_cached_work_is_charged_and_takes_no_time(tiny: Path, store: Store, resources: Resources) -> None:
    job = one(broken(tiny, broken_files.CACHED), "broken")
    complete(job, store, resources)
    record = done(job, store)
    assert record.device_seconds == pytest.approx(record.seconds + 100) and record.seconds < 50


def test_images_of_another_size_fail_before_anything_is_written(
    tiny: Path, store: Store, resources: Resources
) -> None:
    """Such a set would have more bytes than its budget."""
    job = one(broken(tiny, broken_files.OTHER_SIZE), "broken")
    assert complete(job, store, resources) == {job.id: "failed"}
    failure = store.last_failure(job.id)
    assert failure is not None and not (store.path / "artefacts").exists()
    assert "the set's images are (1, 9, 9); return (1, 8, 8), as the task's are" in failure.error


def test_nothing_is_computed_by_the_checks(tiny: Path, resources: Resources) -> None:
    """Both would raise."""
    with_evaluator_that_fails_once(tiny)
    preflight.check(broken(tiny, broken_files.LEAVES), resources)
    assert not tiny.with_name("fails_once.called").exists()


@UNTRAINED
def test_a_trials_record_tells_its_methods_title_and_paper(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    job = one(jobs, "rat_bptt")
    complete(job, store, resources)
    record, method = done(job, store), registry.method("rat_bptt")
    assert (record.method_title, record.paper) == (method.title, method.paper)
    assert method.title and method.paper


def test_a_failure_leaves_its_traceback(tiny: Path, store: Store, resources: Resources) -> None:
    job = one(broken(tiny, broken_files.LEAVES), "broken")
    complete(job, store, resources)
    failure = store.last_failure(job.id)
    assert failure is not None
    trace = store.traceback(failure).read_text()
    assert trace.startswith("Traceback") and "broken.py" in trace
    assert trace.strip().splitlines()[-1] == failure.error.rpartition(" (")[0]


@UNTRAINED
def test_others_see_which_cell_is_in_work(jobs: list[Job], store: Store, resources: Resources) -> None:
    job = one(jobs, "rat_bptt")
    seen = []
    for _ in job_runner.run(job, store, resources):
        found = signs(store.path)[job.id]
        seen.append(found.cell)
        assert found.pid == os.getpid()
    assert list(dict.fromkeys(seen)) == [cell.id for cell in job.cells]
    assert signs(store.path) == {}


def test_a_job_that_is_closed_early_works_no_more(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    job = one(jobs, "rat_bptt")
    work = job_runner.run(job, store, resources)
    next(work)
    work.close()
    assert signs(store.path) == {} and store.checkpoint_step(job.id) == 1
