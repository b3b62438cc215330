"""RaT-Bench: distil datasets, retrain networks on what was made, publish the leaderboard.

What a notebook needs, imported when it is first used:

    load_task         a task by name: `load_task("cifar10")`
    distil            a synthetic set, made by a method
    evaluate          fresh networks trained on a set, scored on the test split
    SyntheticSet      a distilled set; `SyntheticSet.from_flat(images, labels)` makes one of tensors
    save_set          a set to a file, and
    load_set          back
    meta_gradient     a loss differentiated through inner training, exactly
    InnerProblem      inner training; `InnerProblem.of_module` takes any torch module and loss
    Window            which inner steps are differentiated
    Adam, SGD         optimisers of inner training
    leaderboard       the records of stores as a pandas DataFrame

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
"""The module of each public name, and what it is called there."""


def __getattr__(name: str) -> Any:
    """Import what is asked for: torch takes seconds, and a board needs none."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), names[name])
    raise AttributeError(f"module 'suite' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
