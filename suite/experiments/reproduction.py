"""The grid of one printed figure: a method with its published settings, on one task at one size."""

from collections.abc import Sequence

from suite.experiments import grid
from suite.experiments.schema import Grid
from suite.records.cells import RETRAIN


def one_cell(
    method: str,
    task: str,
    ipc: int,
    *,
    network: str,
    recipes: Sequence[str],
    seeds: int = 1,
    copies: int = 5,
    settings: Sequence[str] = (),
) -> Grid:
    """Return a grid that distils on `seeds` seeds and retrains `copies` networks under each of `recipes`.

    network: of the method and the retraining. settings: changes as by `--set`. Raises ValueError as a grid
    file does.
    """
    table = {
        "title": f"{method} on {task}, {ipc} images per class, as published",
        "tasks": [task],
        "ipc": [ipc],
        "seeds": list(range(seeds)),
        "network": network,
        "method": {method: {}},
        "evaluator": {RETRAIN: {"recipe": list(recipes), "copies": copies}},
    }
    return grid.made(f"the grid of {method}", table, settings)
