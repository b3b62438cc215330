"""Printed figures and records of a cell on digits, as the atlas is tested with."""

from typing import Any

from suite.board.atlas.targets import Printed, Target
from suite.board.reported import Reported
from suite.records.cells import Evaluation, Trial, canonical_json
from suite.records.record import Record
from tests.support.board_records import CPU, RETRAINED, STANDARD

SETTINGS = {"network": STANDARD, "steps": 10}


def target(**changes: Any) -> Target:
    values = {
        "task": "cifar10",
        "method": "dm",
        "ipc": 10,
        "recipe": "dsa-1000",
        "network": STANDARD,
        "steps": 10,
    }
    return Target(**{**values, "hyperparameters": canonical_json(SETTINGS), **changes})


def printed(*figure: float, of: Target | str | None = None, **changes: Any) -> Printed:
    values = {"task": "cifar10", "method": "dm", "source": "a paper", "preprocessing": "plain"}
    _, *numbers = figure
    entry = Reported.model_validate({**values, "figures": [[10, *numbers]], **changes})
    return Printed(entry, entry.figures[0], target() if of is None else of)


def measured(
    *accuracy: float,
    seed: int = 0,
    task: str = "cifar10",
    settings: dict[str, Any] = SETTINGS,
    network: str = STANDARD,
    recipe: str = "dsa-1000",
    method: str = "dm",
) -> list[Record]:
    """Return a finished trial and its evaluation."""
    trial = Trial(task=task, method=method, hyperparameters=settings, ipc=10, seed=seed)
    chosen = {"recipe": recipe, "network": network, "copies": len(accuracy)}
    cell = Evaluation(trial=trial.id, evaluator="retrain", settings=chosen, seed=0)
    common: dict[str, Any] = {"label": method, "task": task, "ipc": 10, "status": "done", "provenance": CPU}
    shown: dict[str, Any] = {"title": "Retrained networks", "described": RETRAINED, "test_reads": 1}
    return [
        Record(cell=trial, **common),
        Record(cell=cell, scores={"accuracy": accuracy}, **shown, **common),
    ]
