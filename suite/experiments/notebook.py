"""What a notebook needs, in a call each: distil a set, and evaluate one. Nothing is written to a store."""

from collections.abc import Callable
from typing import Any

from suite.core.networks.named import STANDARD
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Method, Scores, Task
from suite.plugins import registry
from suite.records.cells import RETRAIN, STANDARD_RECIPE


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

    It runs on the device of the task's images; use `ratbench run` for what is to be kept. progress: called
    with (outer steps taken, outer steps planned) after each. hyperparameters: in place of the method's
    defaults. Raises ValueError for an unknown method or hyper-parameter, and where the method cannot run on
    this task.

        >>> import suite
        >>> task = suite.load_task("digits")
        >>> synthetic = suite.distil("random_subset", task, ipc=1)
        >>> synthetic.images.shape  # (classes, ipc, channels, height, width)
        torch.Size([10, 1, 1, 8, 8])
    """
    instance: Method = registry.configure(registry.method(method), hyperparameters, where=method)
    instance.check(task.train, Budget(ipc))
    distiller = instance.start(task.train, Budget(ipc), seed=seed)
    for step in range(distiller.steps):
        distiller.step()
        if progress is not None:
            progress(step + 1, distiller.steps)
    return distiller.synthetic()


def evaluate(
    synthetic: SyntheticSet,
    task: Task,
    recipe: str = STANDARD_RECIPE,
    *,
    network: str = STANDARD,
    copies: int = 5,
    seed: int = 0,
) -> Scores:
    """Train fresh networks on a set under a frozen recipe and score them on the task's test split, read once.

    `values["accuracy"]` of the result has one accuracy in [0, 1] for each of the `copies`. Raises ValueError
    for an unknown recipe or network, and for a set whose images or classes are not the task's.

        >>> import suite
        >>> task = suite.load_task("digits")
        >>> synthetic = suite.distil("random_subset", task, ipc=1)
        >>> scores = suite.evaluate(synthetic, task, recipe="dc-300", network="mlp-w32", copies=2)
        >>> len(scores.values["accuracy"])
        2
    """
    classes, shape = synthetic.classes, synthetic.images.shape[2:]
    if (classes, tuple(shape)) != (task.train.classes, task.train.shape):
        raise ValueError(
            f"a set of {classes} classes of images {tuple(shape)} does not fit the task"
            f" {task.name!r}: {task.train.classes} classes of {task.train.shape}"
        )
    settings = {"recipe": recipe, "network": network, "copies": copies}
    evaluator = registry.configure(registry.evaluator(RETRAIN), settings, where="evaluate")
    evaluator.check(task.train)
    scores: Scores = evaluator.evaluate(synthetic.to(task.train.images.device), task, seed=seed)
    return scores
