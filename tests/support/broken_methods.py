"""Methods that each break one promise of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.distilling.selection import Selection
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.recipes import RECIPES
from suite.plugins.methods.rat_bptt import RaTBPTT


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


@dataclass(frozen=True)
class Choosy(RaTBPTT):
    """Has a network of its own in the settings for a task."""

    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {("digits", 1): {"network": "mlp-w8"}}


@dataclass(frozen=True)
class Larger(Selection):
    """Gives images of 9x9 pixels for a task of 8x8."""

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        return [indices[:ipc] for indices in train.by_class()]

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        wide = Examples(torch.nn.functional.pad(train.images, (0, 1, 0, 1)), train.labels, train.classes)
        return super().start(wide, budget, seed=seed)


@dataclass(frozen=True)
class Bare:
    """Declares nothing."""


@dataclass(frozen=True)
class Still(BaseMethod):
    """Takes four steps and learns nothing."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return StillRun(train, budget.ipc)


class StillRun(BaseDistiller):
    def __init__(self, train: Examples, ipc: int) -> None:
        self.steps, self.taken = 4, 0
        self.images = torch.zeros(train.classes, ipc, *train.shape)

    def step(self) -> Mapping[str, float]:
        self.taken += 1
        return {}

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet(self.images.clone(), one_hot(*self.images.shape[:2]))


@dataclass(frozen=True)
class Epochs(Still):
    """Announces more outer steps than its run takes."""

    @property
    def outer_steps(self) -> int:
        return 7


@dataclass(frozen=True)
class Staged(Still):
    """Has a milestone after its last step."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _StagedRun(train, budget.ipc)


class _StagedRun(StillRun):
    @property
    def milestones(self) -> tuple[int, ...]:
        return (2, 5)


@dataclass(frozen=True)
class Shrinking(Still):
    """Sorts its images and drops them as it goes on."""

    ordered: ClassVar[bool] = True

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _ShrinkingRun(train, budget.ipc)


class _ShrinkingRun(StillRun):
    def synthetic(self) -> SyntheticSet:
        return super().synthetic().prefix(1 if self.taken else 2)


@dataclass(frozen=True)
class Silent(Still):
    """Has no text for a diagnosis."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _SilentRun(train, budget.ipc)


class _SilentRun(StillRun):
    def diagnosis(self) -> str:
        return None  # type: ignore[return-value]


@dataclass(frozen=True)
class Owing(Still):
    """Counts cached seconds below 0."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _OwingRun(train, budget.ipc)


class _OwingRun(StillRun):
    cached_seconds = -1.0


SHORT = replace(RECIPES["dc-300"], name="short", epochs=3)
"""A recipe as a package brings it."""
