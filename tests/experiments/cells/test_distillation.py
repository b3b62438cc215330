"""Trials: a method is built, run and written with its snapshots; a divergence is a result."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact, load_set
from suite.experiments.cells.context import Context
from suite.experiments.cells.distillation import build_method, distil
from suite.experiments.cells.progress import Progress
from suite.experiments.notebook import distil as distilled
from suite.experiments.resources import Resources
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support import broken_files

SMALL: dict[str, Any] = {"steps": 2, "real_batch": 8, "network": "convnet-d1-w8-in"}
TRIAL = Trial(task="digits", method="dm", hyperparameters=SMALL, ipc=1, seed=3)


def finish(trial: Trial, store: Store, *steps: int) -> tuple[list[Progress], Record]:
    """Run a trial whose snapshots after `steps` are scored; return its signs of life and its record."""
    evaluation = Evaluation(trial=trial.id, evaluator="retrain", settings={}, seed=0)
    evaluations = tuple(evaluation.model_copy(update={"step": step}) for step in steps)
    job, signs = Job(label="row", cell=trial, evaluations=evaluations), list[Progress]()
    work = distil(trial, Context(job, store, Resources()))
    while True:
        try:
            signs.append(next(work))
        except StopIteration as end:
            return signs, end.value


def test_a_method_is_built_from_its_cell() -> None:
    assert build_method(TRIAL).outer_steps == 2
    with pytest.raises(ValueError, match="method dm: unknown key 'stepps'"):
        build_method(TRIAL.model_copy(update={"hyperparameters": {"stepps": 2}}))


def test_the_artefact_is_the_methods_set_and_the_record_says_what_it_is(store: Store) -> None:
    signs, record = finish(TRIAL, store)
    assert [(sign.step, sign.steps) for sign in signs] == [(1, 2), (2, 2)]
    synthetic, manifest = load_artefact(store.artefact(TRIAL.id))
    task = tasks.load("digits")
    assert torch.equal(synthetic.images, distilled("dm", task, 1, seed=3, **SMALL).images)
    assert manifest["trial"] == TRIAL.model_dump(mode="json") and manifest["label"] == "row"
    assert record.artefact == manifest["sha256"] and record.data == tasks.fingerprint(task)
    assert (record.stored_bytes, record.label_kind, record.test_reads) == (10 * 64 * 4, "hard", 0)
    assert record.curve["step"] == (1.0, 2.0) and record.method_title.startswith("DM: ")


def test_snapshots_are_those_that_are_asked_for(store: Store) -> None:
    finish(TRIAL, store, 0, 1)
    start, early, end = (load_set(store.artefact(TRIAL.id, step)).images for step in (0, 1, None))
    assert not torch.equal(start, early) and not torch.equal(early, end)
    assert not store.artefact(TRIAL.id, 2).exists()


def test_a_divergence_is_a_result_without_a_set(store: Store, tmp_path: Path) -> None:
    (tmp_path / "diverges.py").write_text(broken_files.DIVERGES)
    trial = TRIAL.model_copy(update={"method": str(tmp_path / "diverges.py"), "hyperparameters": {}})
    signs, record = finish(trial, store)
    assert (record.status, record.error) == ("diverged", "outer_loss is not finite at outer step 3")
    assert len(signs) == 2 and not store.artefact(trial.id).exists() and record.artefact == ""


def test_a_set_that_is_not_finite_is_not_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "infinite.py").write_text(broken_files.NOT_FINITE)
    trial = TRIAL.model_copy(update={"method": str(tmp_path / "infinite.py"), "hyperparameters": {}})
    record = finish(trial, store)[1]
    assert (record.status, record.error) == ("diverged", "the set's images are not finite")
    assert not store.artefact(trial.id).exists()


def test_a_manifest_is_json_beside_its_set(store: Store) -> None:
    finish(TRIAL, store)
    manifest = json.loads(store.artefact(TRIAL.id).with_suffix(".json").read_text())
    assert manifest["class_names"] == list("0123456789") and TRIAL.id in manifest["loader"]
