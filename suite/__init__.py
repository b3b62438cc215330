"""RaT-Bench: distil datasets, retrain networks on the result, publish the leaderboard.

The API for notebooks; each name is imported at its first use:

    load_task         load a task by name: `load_task("cifar10")`
    distil            distil a synthetic set with a method
    evaluate          train fresh networks on a set and score them on the test split
    SyntheticSet      a distilled set; `SyntheticSet.from_flat(images, labels)` makes one from tensors
    save_set          write a set to a file
    load_set          read a set from a file
    meta_gradient     differentiate a loss through inner training, exactly
    InnerProblem      inner training; `InnerProblem.of_module` takes any torch module and loss
    Window            the inner steps that are differentiated
    Adam, SGD         optimisers of inner training
    leaderboard       the leaderboard of stores as a pandas DataFrame

The command line is `ratbench`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suite.board.files import leaderboard as leaderboard
    from suite.core.data.tasks import load as load_task
    from suite.core.engine.inner_problem import InnerProblem as InnerProblem
    from suite.core.engine.optimisers import SGD as SGD
    from suite.core.engine.optimisers import Adam as Adam
    from suite.core.engine.truncation import Window as Window
    from suite.core.engine.unroll import meta_gradient as meta_gradient
    from suite.core.sets.artefacts import load_set as load_set
    from suite.core.sets.artefacts import save_set as save_set
    from suite.core.sets.synthetic_set import SyntheticSet as SyntheticSet
    from suite.experiments.notebook import distil as distil
    from suite.experiments.notebook import evaluate as evaluate

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
    "suite.board.files": {"leaderboard": "leaderboard"},
    "suite.core.data.tasks": {"load_task": "load"},
    "suite.core.engine.inner_problem": {"InnerProblem": "InnerProblem"},
    "suite.core.engine.optimisers": {"SGD": "SGD", "Adam": "Adam"},
    "suite.core.engine.truncation": {"Window": "Window"},
    "suite.core.engine.unroll": {"meta_gradient": "meta_gradient"},
    "suite.core.sets.artefacts": {"load_set": "load_set", "save_set": "save_set"},
    "suite.core.sets.synthetic_set": {"SyntheticSet": "SyntheticSet"},
    "suite.experiments.notebook": {"distil": "distil", "evaluate": "evaluate"},
}
"""The module of each public name, and its name in that module."""


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: torch takes seconds, and the board does not need it."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), names[name])
    raise AttributeError(f"module 'suite' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
