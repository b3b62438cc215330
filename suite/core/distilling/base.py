"""Bases for methods: a distiller that collects its own state, and selection of real images."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import is_dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Choice, Examples, LogUniform


class BaseMethod:
    """What most methods share; a subclass is a frozen dataclass and overrides what differs."""

    smoke: ClassVar[Mapping[str, Any]] = {}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {}
    recipe: ClassVar[str] = "dsa-1000"
    paper: ClassVar[str] = ""
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {}
    title: ClassVar[str] = ""
    ordered: ClassVar[bool] = False  # whether the images of a class are sorted, best first

    @property
    def outer_steps(self) -> int | None:
        """Outer steps that a run takes: the field `steps`, where there is one."""
        return getattr(self, "steps", None)

    def __post_init__(self) -> None:
        """Raise ValueError for values that no data could make right; here there are none."""

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse what no method can do: a class without an image."""
        for label, indices in enumerate(train.by_class()):
            if not len(indices):
                raise ValueError(f"class {label} has no training image; every class needs at least one")


class Resumable(ABC):
    """Outer steps whose state is the attributes: no state code in a method's file.

    Tensors, optimisers, generators and numbers are saved and restored; frozen dataclasses (data,
    settings, networks) are taken as given by `Method.start`. Anything else is refused, since a
    resumed run would silently lose it.
    """

    steps: int
    cached_seconds: float = 0.0

    @abstractmethod
    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step and return its metrics."""

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step: nothing is known."""
        return ""

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of every attribute that can change."""
        found = {name: _saved(name, value) for name, value in vars(self).items()}
        return {name: value for name, value in found.items() if value is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        expected = set(self.state_dict())
        if expected != set(state):
            raise ValueError(f"the state has {sorted(state)} where {sorted(expected)} are needed")
        for name, value in state.items():
            own = getattr(self, name)
            if isinstance(own, Tensor) and own.shape != value.shape:
                raise ValueError(
                    f"the state's {name!r} has shape {tuple(value.shape)} where {tuple(own.shape)} is needed"
                )
        for name, value in state.items():
            own = getattr(self, name)
            if isinstance(own, Tensor):
                with torch.no_grad():
                    own.copy_(value)
            elif isinstance(own, torch.Generator):
                own.set_state(value.cpu())
            elif isinstance(own, torch.optim.Optimizer):
                own.load_state_dict(value)
            else:
                setattr(self, name, value)


class BaseDistiller(Resumable):
    """A distiller whose state is its attributes."""

    @property
    def milestones(self) -> Collection[int]:
        """Outer steps after which there is a finished set: none before the last."""
        return ()

    @abstractmethod
    def synthetic(self) -> SyntheticSet:
        """Return the set as it stands now."""


def _saved(name: str, value: object) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, torch.optim.Optimizer):
        return _copied(value.state_dict())
    if isinstance(value, int | float):
        return value
    if is_dataclass(value) and getattr(value, "__dataclass_params__").frozen:  # noqa: B009
        return None
    raise TypeError(
        f"attribute {name!r} is a {type(value).__name__}, whose state would be lost on resume; "
        "keep tensors, optimisers, generators, numbers or frozen dataclasses"
    )


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
