"""The vocabulary: what methods, evaluators and the harness say to each other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from suite.core.examples import Examples as Examples
from suite.core.examples import TestSplit as TestSplit
from suite.core.scores import Score
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet


class Preprocessing(Protocol):
    """A map from raw images in [0, 1] to what networks see, fitted on train."""

    def apply(self, images: Tensor) -> Tensor:
        """Map raw images (n, channels, height, width) in [0, 1] to preprocessed ones."""
        ...

    def invert(self, images: Tensor) -> Tensor:
        """Map preprocessed images back to [0, 1], clipped: for pictures."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return its kind and values (or their sha256) as JSON: two are equal if these are."""
        ...


@dataclass(frozen=True)
class Task:
    """A classification problem: train, a test split that counts its reads, and its preprocessing."""

    name: str
    train: Examples
    split: TestSplit
    preprocessing: Preprocessing
    class_names: tuple[str, ...]

    @property
    def test(self) -> Examples:
        """The test examples, for an evaluator's final scoring: each access is a read, and in the record."""
        return self.split.read()

    def holdout(self, fraction: float = 0.1) -> "Task":
        """Carve a task from train alone: its `test` is a stratified slice of train.

        Raises ValueError for a fraction outside (0, 1), and for a class too small to give one image away.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"holdout fraction {fraction} must lie between 0 and 1")
        rng = generator(0, "holdout", self.name)
        held = []
        for indices in self.train.by_class():
            count = max(1, round(fraction * len(indices)))
            if count >= len(indices):
                raise ValueError(f"a class of {len(indices)} images is too small to hold out {fraction}")
            held.append(indices[torch.randperm(len(indices), generator=rng)[:count]])
        mask = torch.zeros(len(self.train), dtype=torch.bool)
        mask[torch.cat(held).cpu()] = True
        kept, aside = (~mask).nonzero().flatten(), mask.nonzero().flatten()
        device = self.train.labels.device
        return replace(
            self,
            name=f"{self.name}:holdout",
            train=self.train.take(kept.to(device)),
            split=TestSplit(self.train.take(aside.to(device)), held_out=True),
        )

    def to(self, device: torch.device) -> "Task":
        """Return the task on `device`, with a fresh count of test reads."""
        return replace(self, train=self.train.to(device), split=self.split.to(device))


@dataclass(frozen=True)
class Budget:
    """The size of a set: images per class, or as many bytes."""

    ipc: int

    def __post_init__(self) -> None:
        if self.ipc < 1:
            raise ValueError(f"ipc {self.ipc} must be at least 1")


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter that tuning picks from `values`."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class LogUniform:
    """A hyper-parameter that tuning draws log-uniformly from [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """What an evaluator found: for each name one value per copy, such as `accuracy` in [0, 1]."""

    values: Mapping[str, tuple[float, ...]]


class Distiller(Protocol):
    """One run of a method, started. The harness owns the loop around it.

    `suite.core.distilling.base.BaseDistiller` has defaults for all but `steps`, `step` and `synthetic`.
    """

    steps: int  # outer steps planned
    cached_seconds: float  # of its work, what an earlier trial has paid for: charged to this one, too

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step and return its metrics; reading a tensor's is left to the harness."""
        ...

    def synthetic(self) -> SyntheticSet:
        """Return the set as it stands now."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, generators included."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned: the run goes on with the same bits."""
        ...

    @property
    def milestones(self) -> Collection[int]:
        """Outer steps after which there is a finished set, which is kept; by default none."""
        ...

    def diagnosis(self) -> str:
        """Name what was not finite in the last outer step, or nothing."""
        ...


@runtime_checkable
class Method(Protocol):
    """A distillation method: a frozen dataclass whose fields are its hyper-parameters.

    `suite.core.distilling.base.BaseMethod` has defaults for all but `start`. Some fields mean the same in
    every method: `network` is the inner network, for which a grid's own is filled in; `steps` the number of
    outer steps; `precision` that of products, which the device must have.
    """

    title: ClassVar[str]  # the paper's name and what it stands for: "DM: distribution matching"
    paper: ClassVar[str]  # where it was published: "arXiv 2110.04181", or "" for none
    recipe: ClassVar[str]  # the retraining recipe that its paper used ("native")
    ordered: ClassVar[bool]  # whether the images of a class are sorted, best first: prefixes are then scored
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]]  # (task family, ipc) -> settings
    smoke: ClassVar[Mapping[str, Any]]  # overrides with which a run takes about a second
    space: ClassVar[Mapping[str, Choice | LogUniform]]  # where tuning may look

    @property
    def outer_steps(self) -> int | None:
        """Outer steps that a run takes; None where that is known only once it has started."""
        ...

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError where this method cannot run on `train` at `budget`."""
        ...

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run on the device where `train` lies."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """A frozen dataclass whose fields are its settings; scores a synthetic set on a task.

    Some fields mean the same in every evaluator: `network` is the one that a grid names; `recipe` one of the
    recipes or `native`; `native_recipe` that of the method whose set is scored, which a grid fills in;
    `copies` how many networks are trained.
    """

    title: ClassVar[str]  # the heading of its tables: "Across architectures"
    scores: ClassVar[tuple[Score, ...]]  # what it returns, as a board is to show it
    smoke: ClassVar[Mapping[str, Any]]  # overrides with which a run takes about a second

    def check(self, train: Examples) -> None:
        """Raise ValueError where these settings do not fit images like those of `train`."""
        ...

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Score `synthetic` on `task`, reading its test split once."""
        ...
