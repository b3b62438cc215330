"""One job from start to records: what is recorded, what survives, what is refused."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.board import files
from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.core.training.fit import fit_copies
from suite.experiments import grid, job_runner, preflight
from suite.experiments.device import Place
from suite.plugins import registry
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import broken_files
from tests.support.job_runs import complete, done, one


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """Retrain under the cheapest recipe."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "dc-300"))
    return tiny


def broken(tiny: Path, text: str) -> list[Job]:
    """Return the jobs of the tiny grid and of a method file that goes wrong."""
    path = tiny.with_name("broken.py")
    path.write_text(text)
    if "[method.broken]" not in tiny.read_text():
        tiny.write_text(tiny.read_text() + f'\n[method.broken]\nbase = "{path}"\n')
    return grid.jobs(grid.load(tiny))


def test_from_grid_to_record_to_table(jobs: list[Job], store: Store, place: Place) -> None:
    store.write_plan("tiny", grid.plan(jobs).to_json())
    for job in jobs:
        assert set(complete(job, store, place).values()) == {"done"}
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
        assert rows[job.label].scores["dc-300"].mean == pytest.approx(mean)
    assert board.test_reads == (1,) and board.distillation_reads == (0,)


def test_what_is_recorded_is_not_done_again(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(jobs[0], store, place)
    before = {path: path.read_bytes() for path in store.path.rglob("*.*")}
    monkeypatch.setattr(registry, "method", lambda name: pytest.fail("distilled again"))
    monkeypatch.setattr(registry, "evaluator", lambda name: pytest.fail("evaluated again"))
    assert complete(jobs[0], store, place) == {}
    assert before == {path: path.read_bytes() for path in store.path.rglob("*.*")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (broken_files.DIVERGES, "outer_loss is not finite at outer step 3"),
        (broken_files.NOT_FINITE, "the synthetic set is not finite"),
    ],
)
def test_a_diverged_trial_is_recorded_and_never_tried_again(
    tiny: Path, store: Store, place: Place, text: str, reason: str
) -> None:
    job = one(broken(tiny, text), "broken")
    assert complete(job, store, place) == {job.id: "diverged"}
    assert done(job, store).error == reason
    assert job_runner.missing(job, store) == [] and complete(job, store, place) == {}


def test_a_failed_trial_stops_no_other_and_is_tried_again(tiny: Path, store: Store, place: Place) -> None:
    jobs = broken(tiny, broken_files.RAISES)
    finished: dict[str, str] = {}
    for job in reversed(jobs):
        finished |= complete(job, store, place)
    assert sorted(finished.values()) == ["done"] * 4 + ["failed"]
    job = one(jobs, "broken")
    complete(job, store, place)
    failure = store.last_failure(job.id)
    assert failure is not None and failure.attempts == 2
    line = broken_files.RAISES.splitlines().index('        raise RuntimeError("the method is broken")') + 1
    assert failure.error == f"RuntimeError: the method is broken (broken.py:{line})"
    assert len(job_runner.missing(job, store)) == 2


def test_an_evaluation_that_failed_does_not_repeat_the_distillation(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs[0]
    with monkeypatch.context() as patch:
        patch.setattr("evaluators.retrain.fit_copies", lambda *_, **__: 1 / 0)
        finished = complete(job, store, place)
    assert finished == {job.id: "done", job.evaluations[0].id: "failed"}
    assert job_runner.missing(job, store) == [job.evaluations[0]]
    assert complete(job, store, place) == {job.evaluations[0].id: "done"}


def test_out_of_memory_is_said(tiny: Path, store: Store, place: Place) -> None:
    job = one(broken(tiny, broken_files.OUT_OF_MEMORY), "broken")
    assert complete(job, store, place) == {job.id: "oom"}


def test_a_full_disk_stops_the_run(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job_runner, "write_artefact", full)
    with pytest.raises(OSError, match="No space left"):
        complete(jobs[0], store, place)
    assert store.record(jobs[0].id) is None and store.last_failure(jobs[0].id) is None


def test_a_set_of_other_images_is_not_evaluated(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs[0]
    work = job_runner.run(job, store, place)
    while not next(work).finished:
        pass
    work.close()
    monkeypatch.setattr(tasks, "fingerprint", lambda task: "something else")
    finished = complete(job, store, place)
    failure = store.last_failure(job.evaluations[0].id)
    assert finished == {job.evaluations[0].id: "failed"} and failure is not None
    assert "made from other images, or otherwise preprocessed" in failure.error


def test_the_artefact_undoes_its_preprocessing(jobs: list[Job], store: Store, place: Place) -> None:
    complete(jobs[0], store, place)
    made, manifest = load_artefact(store.artefact(jobs[0].id))
    task = tasks.load("digits")
    raw = task.preprocessing.invert(made.images.flatten(0, 1))
    assert raw.min() == 0 and raw.max() == 1
    assert manifest["class_names"] == [str(digit) for digit in range(10)]
    assert manifest["preprocessing"] == task.preprocessing.describe()


def test_a_gpu_where_there_is_none_is_refused(jobs: list[Job]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match="a GPU was asked for, and torch finds none"):
        preflight.check(jobs, Place(torch.device("cuda"), gpus=1.0))


def test_what_does_not_fit_the_task_is_refused_before_the_start(tiny: Path, place: Place) -> None:
    tiny.write_text(tiny.read_text().replace("ipc = [1]", "ipc = [1, 500]"))
    with pytest.raises(ValueError, match=r"random_subset on digits at ipc 500: ipc 500 is larger than the"):
        preflight.check(grid.jobs(grid.load(tiny)), place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["dc-300"]', '["dc-300:tf32"]'),
        ("window = 2", 'window = 2\nprecision = "tf32"'),
        ("copies = 2", 'copies = 2\n[reference]\nepochs = 1\nrecipe = "dc-300:tf32"'),
    ],
    ids=["recipe", "method", "reference"],
)
def test_a_precision_that_the_place_has_not_is_refused_before_the_start(
    tiny: Path, place: Place, old: str, new: str
) -> None:
    tiny.write_text(tiny.read_text().replace(old, new))
    jobs = grid.jobs(grid.load(tiny))
    with pytest.raises(ValueError, match="precision tf32 is a GPU's; on a CPU use float32"):
        preflight.check(jobs, place)
    preflight.check(jobs, None)  # a cluster's nodes may be able to


def test_the_precision_of_a_recipe_lands_in_its_record(tiny: Path, place: Place, store: Store) -> None:
    tiny.write_text(tiny.read_text().replace('["dc-300"]', '["dc-300", "dc-300:bf16"]'))
    job = grid.jobs(grid.load(tiny))[0]
    assert set(complete(job, store, place).values()) == {"done"}
    records = [store.record(cell.id) for cell in job.evaluations]
    plain, rounded = (record.scores["accuracy"] for record in records if record)
    assert [cell.settings["recipe"] for cell in job.evaluations] == ["dc-300", "dc-300:bf16"]
    assert plain == pytest.approx(rounded, abs=0.05)


def test_device_seconds_are_charged_by_share() -> None:
    assert Place(torch.device("cpu"), threads=2).charged(10) == 20
    assert Place(torch.device("cuda"), threads=2, gpus=0.25).charged(10) == 2.5


def test_a_reference_is_recorded_once_with_one_read(tiny: Path, store: Store, place: Place) -> None:
    tiny.write_text(tiny.read_text() + "\n[reference]\nepochs = 3\ncopies = 2\n")
    job = grid.jobs(grid.load(tiny))[0]
    complete(job, store, place)
    record = done(job, store)
    assert record.test_reads == 1 and len(record.scores["accuracy"]) == 2
    assert min(record.scores["accuracy"]) > 0.3
    assert complete(job, store, place) == {}


def test_threads_follow_the_place(jobs: list[Job], store: Store) -> None:
    work = job_runner.run(jobs[0], store, Place(torch.device("cpu"), threads=2))
    while not next(work).finished:
        pass
    work.close()  # two threads wait for each other long where the processor is shared
    record = done(jobs[0], store)
    assert record.provenance.threads == 2 and record.device_seconds == pytest.approx(2 * record.seconds)


def test_an_evaluation_that_failed_stops_no_other(
    tiny: Path, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_text(tiny.read_text().replace("copies = 2", "copies = [1, 2]"))
    job = grid.jobs(grid.load(tiny))[0]
    calls = itertools.count()

    def fit_after_one_error(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 0:
            raise RuntimeError("once")
        return fit_copies(*arguments, **named)

    monkeypatch.setattr("evaluators.retrain.fit_copies", fit_after_one_error)
    assert list(complete(job, store, place).values()) == ["done", "failed", "done"]


def test_a_method_that_leaves_has_failed(
    jobs: list[Job], store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any, **__: Any) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("methods.random_subset.RandomSubset.start", leave)
    assert complete(jobs[0], store, place) == {jobs[0].id: "failed"}


def test_nothing_is_computed_by_the_checks(
    jobs: list[Job], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("methods.rat_bptt.RaTBPTT.start", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr("evaluators.retrain.fit_copies", lambda *_, **__: pytest.fail("trained"))
    preflight.check(jobs, place)


def test_records_carry_what_a_board_prints(jobs: list[Job], store: Store, place: Place) -> None:
    job = one(jobs, "rat_bptt")
    complete(job, store, place)
    distilled, retrained = done(job, store), store.record(job.evaluations[0].id)
    method, evaluator = registry.method("rat_bptt"), registry.evaluator("retrain")
    assert (distilled.method_title, distilled.paper) == (method.title, method.paper)
    assert retrained and (retrained.title, retrained.described) == (evaluator.title, evaluator.scores)
