"""An evaluator that keeps the contract, and variants that each break one promise of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import Score
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task


@dataclass(frozen=True)
class Honest:
    """Random numbers in place of accuracies, drawn as the contract demands."""

    network: str = STANDARD
    copies: int = 1

    title: ClassVar[str] = "Random numbers"
    scores: ClassVar[tuple[Score, ...]] = (Score("accuracy", "accuracy"),)
    smoke: ClassVar[Mapping[str, Any]] = {"network": "convnet-d1-w8-in"}

    def __post_init__(self) -> None:
        at_least_one(self, "copies")

    def check(self, train: Examples) -> None:
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        assert len(task.test)
        drawn = torch.rand(self.copies, generator=generator(seed, "numbers")).tolist()
        return Scores({"accuracy": tuple(drawn)})


@dataclass
class Thawed:
    """Can be changed."""


@dataclass(frozen=True)
class Bare:
    """Declares nothing."""


@dataclass(frozen=True)
class Untitled(Honest):
    """Has an empty title."""

    title: ClassVar[str] = ""


@dataclass(frozen=True)
class Numbers(Honest):
    """Declares its scores by names alone."""

    scores: ClassVar[Any] = ("accuracy",)


@dataclass(frozen=True)
class Misspelt(Honest):
    """Names a setting that does not exist."""

    smoke: ClassVar[Mapping[str, Any]] = {"copys": 1}


@dataclass(frozen=True)
class Listed(Honest):
    """Has a setting that changes on its way through JSON."""

    sizes: Any = (1, 2)


@dataclass(frozen=True)
class Trusting(Honest):
    """Takes any network."""

    def check(self, train: Examples) -> None:
        pass


@dataclass(frozen=True)
class Undeclared(Honest):
    """Returns a score that it does not declare."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        return Scores({**super().evaluate(synthetic, task, seed=seed).values, "extra": (0.0,)})


@dataclass(frozen=True)
class Missing(Honest):
    """Declares a score that it does not return."""

    scores: ClassVar[tuple[Score, ...]] = (Score("accuracy", "accuracy"), Score("extra", "extra"))


@dataclass(frozen=True)
class Percent(Honest):
    """Returns percentages from 0 to 100."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        found = super().evaluate(synthetic, task, seed=seed).values["accuracy"]
        return Scores({"accuracy": tuple(100 * value for value in found)})


@dataclass(frozen=True)
class Endless(Honest):
    """Returns infinity."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        return Scores({"accuracy": (float("inf"),) * self.copies})


@dataclass(frozen=True)
class Single(Honest):
    """Returns one value for all copies."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        return Scores({"accuracy": super().evaluate(synthetic, task, seed=seed).values["accuracy"][:1]})


@dataclass(frozen=True)
class Curious(Honest):
    """Looks at the test images before it reads them."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        assert task.test.classes
        return super().evaluate(synthetic, task, seed=seed)


@dataclass(frozen=True)
class Blind(Honest):
    """Never reads the test images."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        return Scores({"accuracy": (0.5,) * self.copies})


@dataclass(frozen=True)
class Careless(Honest):
    """Draws from torch's global generator."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        assert len(task.test)
        return Scores({"accuracy": tuple(torch.rand(self.copies).tolist())})


@dataclass(frozen=True)
class Vandal(Honest):
    """Changes the set that it scores."""

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        synthetic.images.add_(1)
        return super().evaluate(synthetic, task, seed=seed)
