"""A large store, made of real records."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from suite.records.cells import Evaluation, Trial
from suite.records.record import Record
from tests.support.board_records import CPU, RETRAINED

TASKS = ("digits", "fashion-mnist", "cifar10-zca", "svhn")
SIZES = (1, 10, 50)
NETWORKS = ("convnet-d3-w128-in", "convnet-d3-w16-in")


def many(methods: int, seeds: int = 3) -> Iterator[Record]:
    """Yield the records of `methods` in 24 tables: a trial per task, size and seed, evaluated twice.

    With 93 methods of three seeds there are 10,044.
    """
    rng = np.random.default_rng(0)
    for at, task, ipc, seed in product(range(methods), TASKS, SIZES, range(seeds)):
        label = f"method_{at:03d}"
        cell = Trial(task=task, method=label, hyperparameters={"window": 40}, ipc=ipc, seed=seed)
        fields: dict[str, Any] = {"label": label, "task": task, "status": "done", "provenance": CPU}
        yield Record(
            cell=cell,
            ipc=ipc,
            device_seconds=float(rng.uniform(1, 5000)),
            stored_bytes=3_136 * ipc,
            peak_memory_bytes=10**9,
            label_kind="hard",
            recipe="dsa-1000",
            method_title=f"Method {at}: one of many",
            paper=f"arXiv 2401.{at:05d}",
            **fields,
        )
        for network in NETWORKS:
            settings = {"recipe": "dsa-1000", "network": network, "copies": 3}
            values = rng.normal(0.4 + 0.005 * at, 0.02, 3).clip(0, 1)
            yield Record(
                cell=Evaluation(trial=cell.id, evaluator="retrain", settings=settings, seed=0),
                ipc=ipc,
                scores={"accuracy": tuple(map(float, values))},
                test_reads=1,
                title="Retrained networks",
                described=RETRAINED,
                **fields,
            )


def save(records: Iterator[Record], store: Path) -> None:
    """Write records as a store has them."""
    for record in records:
        folder = store / "records" / f"{record.task}-ipc{record.ipc}" / record.label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record.cell.id}.json").write_text(record.to_json())
