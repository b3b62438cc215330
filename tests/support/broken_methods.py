"""Methods that each break one promise of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.distilling.selection import Selection
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples


@dataclass(frozen=True)
class Careless(Selection):
    """Draws from torch's global generator."""

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        return [indices[torch.randperm(len(indices))[:ipc]] for indices in train.by_class()]


@dataclass(frozen=True)
class Forgetful(BaseMethod):
    """Keeps a counter where the state is not looked for, and hands out its own tensor."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _ForgetfulRun(train, budget)


class _ForgetfulRun(BaseDistiller):
    __slots__ = ("count",)

    def __init__(self, train: Examples, budget: Budget) -> None:
        self.steps, self.count = 4, 0
        self.images = torch.zeros(train.classes, budget.ipc, *train.shape)
        self.labels = one_hot(train.classes, budget.ipc)

    def step(self) -> Mapping[str, float]:
        self.count += 1
        self.images += self.count
        return {"outer_loss": 0.0}

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet(self.images, self.labels)


@dataclass(frozen=True)
class Double(Selection):
    """Gives images in float64."""

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        return [indices[:ipc] for indices in train.by_class()]

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        wide = Examples(train.images.double(), train.labels, train.classes)
        return super().start(wide, budget, seed=seed)


@dataclass(frozen=True)
class Misspelt(Careless):
    """Names a hyper-parameter and a recipe that don't exist."""

    strength: float = 1.0
    smoke: ClassVar[Mapping[str, Any]] = {"strenght": 2.0}
    recipe: ClassVar[str] = "dsaa"
