"""A store as a run leaves it, made without training: two rows of two seeds on digits, and full data."""

import json
from pathlib import Path
from typing import Any

import torch

from suite.cli.trust import settings
from suite.core.scores import SECONDS, Score
from suite.core.seeding import derive
from suite.core.sets.artefacts import write_artefact
from suite.core.sets.manifest import loader, stored
from suite.core.sets.synthetic_set import SyntheticSet
from suite.records.audit.findings import Findings
from suite.records.audit.known import TaskFacts
from suite.records.audit.store import audit
from suite.records.cells import Evaluation, Reference, Trial
from suite.records.jobs import Job, Plan, Planned
from suite.records.record import Provenance, Record
from suite.records.store import Store

DATA = "da" * 32
TEST = 296  # test images of digits
NAMES = tuple(map(str, range(10)))
PREPROCESSING = {"kind": "normalise", "mean": [0.3051], "std": [0.3762]}
HERE = TaskFacts(10, (1, 8, 8), TEST, (DATA,), NAMES, PREPROCESSING)
MADE = Provenance(
    commit="ab" * 20, versions={"torch": "2.13.0"}, device="CPU: a processor", threads=1, deterministic=True
)


def accuracies(at: int, copies: int = 3) -> tuple[float, ...]:
    """Return accuracies that no other number gives."""
    return tuple((150 + 7 * at + 3 * copy) / TEST for copy in range(copies))


def fields(label: str, at: int, **changes: Any) -> dict[str, Any]:
    spent = 10.0 + at / 7
    values = {"label": label, "task": "digits", "ipc": 1, "status": "done", "data": DATA, "provenance": MADE}
    costs = {"seconds": spent, "device_seconds": spent, "peak_memory_bytes": 10**8}
    return {**values, **costs, **changes}


def distilled(store: Store, label: str, seed: int, at: int, **changes: Any) -> Record[Trial]:
    """Write the set of a trial, and return its record."""
    cell = Trial(task="digits", method=label, hyperparameters={"steps": 20}, ipc=1, seed=seed)
    images = torch.rand(10, 1, 1, 8, 8, generator=torch.Generator().manual_seed(at))
    made, path = SyntheticSet.with_hard_labels(images), store.artefact(cell.id)
    facts = {"trial": cell.model_dump(mode="json"), "label": label, "data": DATA, "loader": loader(path.name)}
    names = {"class_names": list(NAMES), "preprocessing": PREPROCESSING}
    sha256 = write_artefact(path, made, {**facts, **names})
    curve = {"step": (10.0, 20.0), "seconds": (4.0 + at / 7, 9.0 + at / 7), "outer_loss": (2.0, 1.0)}
    own = {**stored(made), "artefact": sha256, "curve": curve, "recipe": "dc-300"}
    return Record[Trial](cell=cell, **{**fields(label, at), **own, **changes})


def evaluated(of: Record[Trial], at: int, **changes: Any) -> Record[Evaluation]:
    settings = {"recipe": "dc-300", "network": "convnet-d1-w8-in", "copies": 3}
    seed = derive(of.cell.seed, "evaluation") >> 16
    cell = Evaluation(trial=of.cell.id, evaluator="retrain", settings=settings, seed=seed)
    scores = {"accuracy": accuracies(at), "seconds": (1.0 + at / 11, 1.1, 1.2)}
    shown = {"scores": scores, "test_reads": 1, "title": "Retrained networks"}
    described = (Score("accuracy", "accuracy", ranks=True), SECONDS)
    return Record[Evaluation](
        cell=cell, **{**fields(of.label, 40 + at), **shown, "described": described, **changes}
    )


def sound(path: Path) -> Store:
    """Write the store, in which an audit finds nothing."""
    store, planned, at = Store.create(path), list[Planned](), 0
    for label in ("random_subset", "dm"):
        for seed in (0, 1):
            trial = distilled(store, label, seed, at)
            for record in (trial, evaluated(trial, at)):
                store.write(record)
                planned.append(Planned(label=label, task="digits", ipc=1, cell=record.cell, data=DATA))
            job = Job(label=label, cell=trial.cell, evaluations=(evaluated(trial, at).cell,), data=DATA)
            store.write_job(job)
            at += 1
    named = {"task": "digits", "network": "convnet-d1-w8-in", "recipe": "dc-300", "epochs": 5, "copies": 2}
    full = Reference.model_validate({**named, "seed": 0})
    scores = {"accuracy": accuracies(9, 2)}
    store.write(Record(cell=full, **fields("full data", 90, ipc=0, scores=scores, test_reads=1)))
    store.write_plan("tiny", Plan(cells=tuple(planned)).to_json())
    return store


def kinds(store: Path | Store, **given: Any) -> set[str]:
    """Return the severity and the kind of what an audit finds: `error set`."""
    found = audited(store, **given)
    return {f"{each.severity} {each.kind}" for each in found.found}


def audited(store: Path | Store, **given: Any) -> Findings:
    path = store.path if isinstance(store, Store) else store
    return audit(path, **{"ask": lambda name: HERE, "more": settings.wrong, **given})


def first(store: Store, label: str = "dm", kind: str = "evaluation") -> Path:
    """Return the file of the first record of a row and kind."""
    found = sorted((store.path / "records/digits-ipc1" / label).glob("*.json"))
    return next(path for path in found if json.loads(path.read_bytes())["cell"]["kind"] == kind)
