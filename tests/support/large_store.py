"""Stores of any number of records, as large grids leave them: curves, evaluators, failures, a plan."""

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from suite.core.scores import Score
from suite.records.cells import PROTOCOL, Evaluation, Reference, Trial
from suite.records.jobs import Plan, Planned
from suite.records.record import Provenance, Record, Status
from suite.records.stores import layout
from tests.support.board_records import RETRAINED

TASKS = ("digits", "fashion-mnist", "cifar10-zca", "cifar10", "svhn", "cifar100", "tiny-imagenet", "mnist")
SIZES, SEEDS = (1, 10, 50), range(5)
NETWORK = "convnet-d3-w128-in"
VERSIONS = {"python": "3.11.7", "torch": "2.13.0+cpu", "torchvision": "0.28.0", "numpy": "2.4.6"}
COMMIT = "8a408cbcc673639f6662ab008aad49bbdadaada0"
MADE = Provenance(commit=COMMIT, versions=VERSIONS, device="CPU", threads=1)
ROBUST = (Score("accuracy", "native recipe", shown=False), Score("hard", "hard labels", shown=False))
SETTINGS: dict[str, Any] = {
    "augment": "flip-rotate", "clip": 2.0, "initial": "real", "inner_lr": 0.003, "learn_labels": False,
    "network": NETWORK, "outer_lr": 0.05, "precision": "float32", "real_batch": 256,
}  # fmt: skip


def varied(most: int) -> Iterator[Record]:
    """Yield `most` records: for a set in a row of a method about six evaluations, and full data first.

    Each hundredth trial has failed, and another hundredth diverged; these have no evaluations.
    """
    yield from islice(_every(), most)


def _every() -> Iterator[Record]:
    rng = np.random.default_rng(0)
    for task in TASKS:
        yield _reference(task, rng)
    for at, (method, window, task, ipc, seed) in enumerate(
        product(range(10**6), (10, 20, 40, 60), TASKS, SIZES, SEEDS)
    ):
        state: Status = "diverged" if at % 100 == 98 else "failed" if at % 100 == 99 else "done"
        trial = _trial(f"method_{method:03d}", window, task, ipc, seed, state, rng)
        yield trial
        if state == "done":
            yield from _evaluations(trial, rng)


def _reference(task: str, rng: np.random.Generator) -> Record:
    cell = Reference(task=task, network=NETWORK, recipe="dsa-1000", epochs=60, copies=3, seed=0)
    scores = {"accuracy": tuple(rng.normal(0.9, 0.01, 3).clip(0, 1).tolist())}
    return _record(cell, "full data", task, 0, scores=scores, test_reads=3)


def _trial(
    label: str, window: int, task: str, ipc: int, seed: int, state: Status, rng: np.random.Generator
) -> Record:
    values = {**SETTINGS, "window": window}
    cell = Trial(task=task, method=label, hyperparameters=values, ipc=ipc, seed=seed)
    names = ("outer_loss", "gradient_norm", "seconds", "skipped", "step")
    return _record(
        cell,
        label,
        task,
        ipc,
        status=state,
        error="RuntimeError: it did not work" if state == "failed" else "",
        curve={name: tuple(rng.exponential(1.0, 100).tolist()) for name in names},
        device_seconds=float(rng.uniform(1, 5000)),
        stored_bytes=3_136 * ipc,
        label_kind="hard",
        artefact=f"{rng.integers(2**62):064x}",
        recipe="rat-bptt-1000",
        method_title=f"{label}: one of many",
        paper="arXiv 2311.07025",
    )


def _evaluations(trial: Record, rng: np.random.Generator) -> Iterator[Record]:
    base = {"network": NETWORK, "copies": 3}
    every: list[tuple[str, dict[str, Any], int | None, tuple[Score, ...]]] = [
        ("retrain", {**base, "recipe": "dsa-1000"}, None, RETRAINED),
        ("retrain", {**base, "recipe": "rat-bptt-1000"}, None, RETRAINED),
        ("retrain", {**base, "recipe": "dsa-1000"}, 60, RETRAINED),
        ("retrain", {**base, "recipe": "dsa-1000"}, 300, RETRAINED),
        ("kernel_regression", {"ridge": 1e-6}, None, (Score("accuracy", "accuracy"),)),
        ("label_robust", {**base, "native_recipe": "rat-bptt-1000", "recipe": "dsa-1000"}, None, ROBUST),
    ]
    for name, settings, step, described in every:
        values = {each.name: tuple(rng.normal(0.6, 0.02, 3).clip(0, 1).tolist()) for each in described}
        values.pop("chosen/*", None)
        cell = Evaluation(
            trial=trial.cell.id, evaluator=name, settings=settings, seed=trial.cell.seed, step=step
        )
        yield _record(
            cell,
            trial.label,
            trial.task,
            trial.ipc,
            scores=values,
            test_reads=1,
            title=f"Networks of {name}",
            described=described,
            device_seconds=float(rng.uniform(1, 500)),
        )


def _record(cell: Any, label: str, task: str, ipc: int, status: Status = "done", **measured: Any) -> Record:
    fields: dict[str, Any] = {"provenance": MADE, "data": f"{task:0<64}".encode().hex()[:64], **measured}
    return Record(cell=cell, label=label, task=task, ipc=ipc, status=status, **fields)


def fill(store: Path, records: Iterator[Record]) -> None:
    """Write records, and a plan of them, as a run leaves them."""
    store.mkdir(parents=True)
    (store / "store.json").write_text(f'{{"protocol": {PROTOCOL}}}\n')
    planned = []
    for record in records:
        kind = "failures" if record.status == "failed" else "records"
        folder = store / kind / layout.place_of(record)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record.cell.id}.json").write_text(record.to_json())
        planned.append(
            Planned(label=record.label, task=record.task, ipc=record.ipc, cell=record.cell, data=record.data)
        )
    (store / "plan").mkdir()
    (store / "plan" / "large.json").write_text(Plan(cells=tuple(planned)).to_json())
