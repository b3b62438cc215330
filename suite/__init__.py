"""RaT-Bench: distil datasets, retrain networks on the result, publish the leaderboard.

The API for notebooks; each name is imported at its first use:

    load_task         load a task by name: `load_task("cifar10")`
    distil            distil a synthetic set with a method
    evaluate          train fresh networks on a set and score them on the test split
    SyntheticSet      a distilled set; `SyntheticSet.from_flat(images, labels)` makes one from tensors
    save_set          write a set to a file
    load_set          read a set from a file, or by its address in a store
    meta_gradient     differentiate a loss through the inner loop, exactly
    InnerProblem      an inner loop; `InnerProblem.of_module` takes any torch module and loss
    Window            the inner steps through which the gradient is computed
    Adam, SGD         optimisers of the inner loop
    leaderboard       the leaderboard of stores as a pandas DataFrame

The command line is `ratbench`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suite.board.files import leaderboard as leaderboard
    from suite.core.data.tasks import load as load_task
    from suite.core.engine.inner_problem import InnerProblem as InnerProblem
    from suite.core.engine.meta_gradient import meta_gradient as meta_gradient
    from suite.core.engine.optimisers import SGD as SGD
    from suite.core.engine.optimisers import Adam as Adam
    from suite.core.engine.truncation import Window as Window
    from suite.core.sets.artefacts import save_set as save_set
    from suite.core.sets.synthetic_set import SyntheticSet as SyntheticSet
    from suite.experiments.notebook import distil as distil
    from suite.experiments.notebook import evaluate as evaluate
    from suite.experiments.notebook import load_set as load_set

__all__ = [
    "SGD",
    "Adam",
    "InnerProblem",
    "SyntheticSet",
    "Window",
    "distil",
    "evaluate",
    "leaderboard",
    "load_set",
    "load_task",
    "meta_gradient",
    "save_set",
]

_HOMES = {
    "SGD": "suite.core.engine.optimisers.SGD",
    "Adam": "suite.core.engine.optimisers.Adam",
    "InnerProblem": "suite.core.engine.inner_problem.InnerProblem",
    "SyntheticSet": "suite.core.sets.synthetic_set.SyntheticSet",
    "Window": "suite.core.engine.truncation.Window",
    "distil": "suite.experiments.notebook.distil",
    "evaluate": "suite.experiments.notebook.evaluate",
    "leaderboard": "suite.board.files.leaderboard",
    "load_set": "suite.experiments.notebook.load_set",
    "load_task": "suite.core.data.tasks.load",
    "meta_gradient": "suite.core.engine.meta_gradient.meta_gradient",
    "save_set": "suite.core.sets.artefacts.save_set",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: torch takes seconds, and a board needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module 'suite' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, _, attribute = _HOMES[name].rpartition(".")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
