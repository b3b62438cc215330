"""Base classes for methods and distillers: common checks, and automatic state."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.initial_images import Initialisation, check_initial
from suite.core.networks.named import STANDARD, network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Choice, Examples, LogUniform


class BaseMethod:
    """Defaults for a method; subclasses are frozen dataclasses and override them."""

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    recipe: ClassVar[str] = "dsa-1000"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}  # where it is another one
    ordered: ClassVar[bool] = False  # whether the images of a class are sorted, best first
    smoke: ClassVar[Mapping[str, Any]] = {}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {}
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {}

    @property
    def outer_steps(self) -> int | None:
        """Outer steps of a run: the field `steps`, if the method has one."""
        return getattr(self, "steps", None)

    def __post_init__(self) -> None:
        """Raise ValueError for values that are invalid for all data; by default all are accepted."""

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if a class has no image."""
        if 0 in (counts := train.counts()):
            label = counts.index(0)
            raise ValueError(f"class {label} has no training image; every class needs at least one")


@dataclass(frozen=True)
class NetworkMethod(BaseMethod):
    """A method that trains or reads a network."""

    network: str = STANDARD

    batch_norm: ClassVar[bool] = False  # allowed if networks are trained first, or see whole batches

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a network that does not fit the images or the method."""
        super().check(train, budget)
        net = network(self.network, train.shape, train.classes)
        if not self.batch_norm:
            net.check_independent()


@dataclass(frozen=True)
class ImageMethod(NetworkMethod):
    """A method that learns images, with the help of a network."""

    initial: Initialisation = "real"

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse initial real images if a class has too few."""
        super().check(train, budget)
        check_initial(train, budget, self.initial)


class Stateful:
    """An object whose state is its attributes, so that methods need no code for it.

    Tensors, optimisers, generators, numbers, other Stateful objects and tuples of them are saved and
    restored. Frozen dataclasses (data, settings, networks) are constants. Any other attribute raises
    TypeError, because a resumed run would silently lose it.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of every attribute that can change."""
        found = {name: _saved(name, value) for name, value in vars(self).items()}
        return {name: value for name, value in found.items() if value is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; raises ValueError for the state of another object."""
        expected = set(self.state_dict())
        if expected != set(state):
            raise ValueError(f"the state has {sorted(state)} where {sorted(expected)} are needed")
        attributes = vars(self)
        for name, value in state.items():
            own = attributes[name]
            if isinstance(own, Tensor) and own.shape != value.shape:
                raise ValueError(
                    f"the state's {name!r} has shape {tuple(value.shape)}; {tuple(own.shape)} is needed"
                )
        for name, value in state.items():
            own = attributes[name]
            if isinstance(own, Tensor):
                with torch.no_grad():
                    own.copy_(value)
            elif isinstance(own, torch.Generator):
                own.set_state(value.cpu())
            elif isinstance(own, torch.optim.Optimizer | Stateful):
                own.load_state_dict(value)
            elif isinstance(own, tuple):
                for part, saved in zip(own, value, strict=True):
                    part.load_state_dict(saved)
            else:
                attributes[name] = value


class Resumable(Stateful, ABC):
    """Outer steps with the attributes as state."""

    steps: int
    cached_seconds: float = 0.0

    @abstractmethod
    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step and return its metrics."""

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step; by default unknown."""
        return ""


class BaseDistiller(Resumable):
    """A distiller whose state is its attributes."""

    @property
    def milestones(self) -> Collection[int]:
        """Outer steps before the last one after which a finished set exists; by default none."""
        return ()

    @abstractmethod
    def synthetic(self) -> SyntheticSet:
        """Return the current set."""


def is_frozen(value: Any) -> bool:
    """Return whether `value` is a frozen dataclass, or an instance of one."""
    settings = getattr(value, "__dataclass_params__", None)
    return settings is not None and bool(settings.frozen)


def _saved(name: str, value: object) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, torch.optim.Optimizer):
        return _copied(value.state_dict())
    if isinstance(value, Stateful):
        return value.state_dict()
    if isinstance(value, tuple) and value and all(isinstance(part, Stateful) for part in value):
        return [part.state_dict() for part in value]
    if isinstance(value, int | float):
        return value
    if is_frozen(value):
        return None
    raise TypeError(
        f"attribute {name!r} is a {type(value).__name__}, whose state would be lost on resume; "
        "keep tensors, optimisers, generators, numbers, Stateful objects or frozen dataclasses"
    )


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
