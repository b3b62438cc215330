"""What a card may say of a set: the records of this very set, and no other's."""

from pathlib import Path
from typing import Any

import pytest

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.experiments.cells.context import Context
from suite.experiments.cells.distillation import write
from suite.experiments.resources import Resources
from suite.external.writers.measured import Measured, Score, measured
from suite.plugins.smoke import smoke_set
from suite.records.cells import Evaluation, Part, Trial
from suite.records.jobs import Job
from suite.records.store import Store

TRIAL = Trial(task="digits", method="dm", hyperparameters={}, ipc=2, seed=0)
ACCURACY = (0.5, 0.75)


@pytest.fixture
def artefact(store: Store) -> Path:
    """A finished trial with evaluations of the set, a part, a snapshot and another trial's."""
    context = Context(Job(label="mine", cell=TRIAL), store, Resources())
    path = store.artefact(TRIAL.id)
    sha256 = write(smoke_set(), path, tasks.load("digits"), context)
    said: dict[str, Any] = {"method_title": "DM: distribution matching", "paper": "arXiv 2110.04181"}
    store.write(context.record(TRIAL, "done", artefact=sha256, **said))
    changes: list[dict[str, Any]] = [
        {},
        {"settings": {"native_recipe": "dc-300", "network": "n"}, "evaluator": "label_robust"},
        {"part": Part(how="prefix", ipc=1)},
        {"step": 3},
        {"trial": "another"},
    ]
    for number, change in enumerate(changes):
        cell = Evaluation(trial=TRIAL.id, evaluator="retrain", settings={"recipe": "dsa-1000"}, seed=0)
        store.write(
            context.record(
                cell.model_copy(update={"seed": number, **change}), "done", scores={"accuracy": ACCURACY}
            )
        )
    return path


def test_scores_are_those_of_the_whole_set(artefact: Path) -> None:
    found = measured(artefact, load_artefact(artefact)[1])
    assert (found.title, found.paper) == ("DM: distribution matching", "arXiv 2110.04181")
    assert found.scores == (
        Score("retrain", "dsa-1000", "", ACCURACY),
        Score("label_robust", "dc-300", "n", ACCURACY),
    )
    assert found.provenance["provenance"]["commit"] and found.provenance["record"]


def test_another_set_of_the_trial_has_no_scores(artefact: Path) -> None:
    """Such as a snapshot, whose manifest names the same trial."""
    manifest = load_artefact(artefact)[1]
    assert measured(artefact, {**manifest, "sha256": "0"}) == Measured()


def test_a_set_outside_a_store_has_none(artefact: Path, tmp_path: Path) -> None:
    manifest = load_artefact(artefact)[1]
    assert measured(tmp_path / "alone.safetensors", manifest) == Measured()
    assert measured(Path("alone.safetensors"), {}) == Measured()
