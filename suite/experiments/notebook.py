"""The calls for notebooks: distil, evaluate and read a set. Nothing is written to a store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite.core.data import tasks
from suite.core.limits import check_set
from suite.core.networks.named import standard
from suite.core.sets import artefacts
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Method, Scores, Task
from suite.plugins import registry
from suite.records.cells import RETRAIN, STANDARD_RECIPE
from suite.records.stores import addresses


def distil(
    method: str,
    task: Task,
    ipc: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **hyperparameters: Any,
) -> SyntheticSet:
    """Distil `ipc` images per class with a method, by its name or the path of its file.

    It runs on the device of the task's images; use `ratbench run` to keep results. progress: called with
    (outer steps taken, outer steps planned) after each outer step. hyperparameters: override the method's
    defaults; the default network is the field's network for the images' size, as in `evaluate`.
    Raises ValueError for an unknown method or hyper-parameter, and if the method cannot run on this task.

        >>> import suite
        >>> task = suite.load_task("digits")
        >>> synthetic = suite.distil("random_subset", task, ipc=1)
        >>> synthetic.images.shape  # (classes, ipc, channels, height, width)
        torch.Size([10, 1, 1, 8, 8])
    """
    _check_task(task)
    given = {**registry.network(registry.method(method), standard(task.train.shape)), **hyperparameters}
    budget, instance = Budget(ipc), build(method, given)
    instance.check(task.train, budget)
    distiller = instance.start(task.train, budget, seed=seed)
    for step in range(distiller.steps):
        distiller.step()
        if progress is not None:
            progress(step + 1, distiller.steps)
    synthetic = distiller.synthetic()
    check_set(synthetic, task.train, budget)
    return replace(synthetic, data=tasks.fingerprint(task))


def build(method: str, hyperparameters: Mapping[str, Any]) -> Method:
    """Return a method by its name or the path of its file; raises ValueError for wrong hyper-parameters."""
    made: Method = registry.configure(registry.method(method), hyperparameters, where=method)
    return made


def evaluate(
    synthetic: SyntheticSet,
    task: Task,
    recipe: str = STANDARD_RECIPE,
    *,
    network: str | None = None,
    copies: int = 5,
    seed: int = 0,
) -> Scores:
    """Train fresh networks on a set under a frozen recipe; score them with one read of the test split.

    network: by default the field's network for the images' size, `convnet-d3-w128-in` below 64 pixels.
    `values["accuracy"]` of the result has one accuracy in [0, 1] for each of the `copies`. Raises ValueError
    for an unknown recipe or network, for a set whose images or classes do not fit the task, and for a set
    distilled from other data; to score it anyway, pass `dataclasses.replace(synthetic, data="")`.

        >>> import suite
        >>> task = suite.load_task("digits")
        >>> synthetic = suite.distil("random_subset", task, ipc=1)
        >>> scores = suite.evaluate(synthetic, task, recipe="dc-300", network="mlp-w32", copies=2)
        >>> len(scores.values["accuracy"])
        2
    """
    _check_task(task)
    check_set(synthetic, task.train)
    tasks.check_data(synthetic, task)
    settings = {"recipe": recipe, "network": network or standard(task.train.shape), "copies": copies}
    evaluator = registry.configure(registry.evaluator(RETRAIN), settings, where="evaluate")
    evaluator.check(task.train)
    scores: Scores = evaluator.evaluate(synthetic.to(task.train.images.device), task, seed=seed)
    return scores


def _check_task(task: Task) -> None:
    if not isinstance(task, Task):
        raise TypeError(f"task is a {type(task).__name__}; pass suite.load_task(name)")


def load_set(path: Path | str) -> SyntheticSet:
    """Read a set written by `save_set` or `ratbench run`; raises ValueError if it is missing or damaged.

    path: its file, or its address in a store: `load_set("runs/demo:rat_bptt/ipc10/seed1")`.
    """
    return artefacts.load_set(addresses.find(path))
