"""Records made by hand, as boards are tested with."""

from pathlib import Path
from typing import Any

from suite.board.rows import BoardRow
from suite.board.tables import Board
from suite.core.scores import Score
from suite.records.cells import Evaluation, Part, Reference, Trial
from suite.records.record import Provenance, Record, Status

STANDARD, REDUCED = "convnet-d3-w128-in", "convnet-d3-w32-in"
RETRAINED = (Score("accuracy", "accuracy", ranks=True), Score("chosen/*", "{}", unit="choice", shown=False))
CPU = Provenance(commit="abc1234", versions={"torch": "2.13.0"}, device="a CPU", threads=2)


def trial(
    label: str, *, seed: int = 0, ipc: int = 10, window: int = 40, status: Status = "done", **changes: Any
) -> Record:
    method = changes.pop("method", label)
    cell = Trial(task="digits", method=method, hyperparameters={"window": window}, ipc=ipc, seed=seed)
    measured = {"device_seconds": 120.0, "stored_bytes": 25_600, "label_kind": "hard", "recipe": "dsa-1000"}
    fields: dict[str, Any] = {"peak_memory_bytes": 1_500_000_000, "provenance": CPU, **measured, **changes}
    return Record(cell=cell, label=label, task="digits", ipc=ipc, status=status, **fields)


def evaluated(
    of: Record, *accuracy: float, ipc: int = 0, status: Status = "done", error: str = "", **settings: Any
) -> Record:
    part = Part(how="prefix", ipc=ipc) if ipc else None
    chosen = {"recipe": "dsa-1000", "network": STANDARD, "copies": len(accuracy), **settings}
    cell = Evaluation(trial=of.cell.id, evaluator="retrain", settings=chosen, seed=0, part=part)
    fields: dict[str, Any] = {
        "scores": {"accuracy": accuracy} if accuracy else {},
        "error": error,
        "provenance": CPU,
        "title": "Retrained networks",
        "described": RETRAINED,
    }
    return Record(
        cell=cell, label=of.label, task="digits", ipc=ipc or of.ipc, status=status, test_reads=1, **fields
    )


def relabelled(
    *accuracies: tuple[float, ...],
    network: str = STANDARD,
    epochs: int = 20,
    recipe: str = "dsa-1000",
    **changes: Any,
) -> list[Record]:
    """Return trials of random subsets with a teacher's labels, of seeds 0, 1, …, with an evaluation each."""
    teacher = {"network": network, "epochs": epochs, "training": "dc-300"}
    made = []
    for seed, values in enumerate(accuracies):
        of = trial("random_relabelled", seed=seed, label_kind="soft", **changes)
        assert isinstance(of.cell, Trial)
        of = of.model_copy(update={"cell": of.cell.model_copy(update={"hyperparameters": teacher})})
        made += [of, evaluated(of, *values, recipe=recipe)]
    return made


def full_data(*accuracy: float, network: str = STANDARD, epochs: int = 60) -> Record:
    settings = {"network": network, "recipe": "dsa-1000", "epochs": epochs, "copies": len(accuracy)}
    cell = Reference.model_validate({"task": "digits", "seed": 0, **settings})
    fields: dict[str, Any] = {"scores": {"accuracy": accuracy}, "provenance": CPU}
    return Record(cell=cell, label="full data", task="digits", ipc=0, status="done", test_reads=1, **fields)


def pair(label: str, *accuracies: tuple[float, ...], **changes: Any) -> list[Record]:
    """Return trials of seeds 0, 1, … with an evaluation each."""
    made = [trial(label, seed=seed, **changes) for seed in range(len(accuracies))]
    return [*made, *(evaluated(of, *values) for of, values in zip(made, accuracies, strict=True))]


def save(records: list[Record], store: Path) -> None:
    for record in records:
        kind = "failures" if record.status in ("failed", "oom") else "records"
        folder = store / kind / f"digits-ipc{record.ipc}" / record.label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record.cell.id}.json").write_text(record.to_json())


def rows(made: Board, place: int = 0) -> dict[str, BoardRow]:
    return {row.name: row for row in made.tables[place].rows}


SMALL = [
    *pair("random_subset", (0.50, 0.52), (0.54, 0.56)),
    *pair("rat_bptt", (0.80,), (0.84,)),
    full_data(0.95, 0.97),
]
