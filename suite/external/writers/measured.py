"""What the store of an artefact knows about its set: method, scores, provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.records.cells import Evaluation, Trial
from suite.records.record import Record, is_of
from suite.records.store import Store


@dataclass(frozen=True)
class Score:
    """The accuracy in [0, 1] of each network that an evaluator trained on the whole set."""

    evaluator: str
    recipe: str
    network: str
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """title, paper: of the method; provenance: of the distillation, as JSON. Empty without records."""

    title: str = ""
    paper: str = ""
    scores: tuple[Score, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def measured(artefact: Path, manifest: Mapping[str, Any]) -> Measured:
    """Return what the store of `artefact` has recorded of its set, if it is the trial's finished one."""
    try:
        trial, label = Trial.model_validate(manifest["trial"]), str(manifest["label"])
    except (KeyError, ValueError):
        return Measured()
    records = list(Store(artefact.absolute().parents[1]).row(trial.task, trial.ipc, label))
    own = [each for each in records if is_of(each, Trial) and each.cell.id == trial.id]
    made = next((each for each in own if each.artefact == manifest["sha256"]), None)
    if made is None:  # no store, or a snapshot
        return Measured()
    found = (_score(each, trial.id) for each in records if each.data == made.data)
    return Measured(
        made.method_title,
        made.paper,
        tuple(sorted(filter(None, found), key=lambda each: (each.evaluator != "retrain", str(each)))),
        {
            "provenance": made.provenance.model_dump(mode="json"),
            "device_seconds": made.device_seconds,
            "peak_memory_bytes": made.peak_memory_bytes,
            "data": made.data,
            "record": made.sha256,
        },
    )


def _score(record: Record, trial: str) -> Score | None:
    cell = record.cell
    if not isinstance(cell, Evaluation) or cell.trial != trial or cell.of_snapshot or cell.part:
        return None
    if record.status != "done" or not (accuracy := record.scores.get("accuracy")):
        return None
    return Score(cell.evaluator, cell.recipe, str(cell.settings.get("network", "")), accuracy)
