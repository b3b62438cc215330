"""The contract between methods, evaluators and the harness."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from types import EllipsisType
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import torch
from torch import Tensor

from suite.core.examples import Examples as Examples
from suite.core.examples import TestSplit as TestSplit
from suite.core.execution.transfer import send
from suite.core.names import HOLDOUT
from suite.core.scores import Score
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet


class Preprocessing(Protocol):
    """A map from raw images in [0, 1] to the inputs of networks, fitted on train."""

    def apply(self, images: Tensor) -> Tensor:
        """Map raw images (n, channels, height, width) in [0, 1] to preprocessed ones."""
        ...

    def invert(self, images: Tensor) -> Tensor:
        """Map preprocessed images back to [0, 1], clipped: for pictures."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return its kind and values (or their sha256) as JSON; equal JSON means equal preprocessing."""
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
        """The test examples, for an evaluator's final scoring. The record counts each access as a read."""
        return self.split.read()

    def holdout(self, fraction: float = 0.1) -> Self:
        """Make a task from the training split alone: its `test` is a stratified slice of train.

        Raises ValueError for a fraction outside (0, 1), and for a class too small to give one image away.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"holdout fraction {fraction} must lie between 0 and 1")
        rng = generator(0, "holdout", self.name)
        held = []
        for rows in self.train.rows_by_class():
            count = max(1, round(fraction * len(rows)))
            if count >= len(rows):
                raise ValueError(f"a class of {len(rows)} images is too small to hold out {fraction}")
            held.append(rows[torch.randperm(len(rows), generator=rng)[:count]])
        mask = torch.zeros(len(self.train), dtype=torch.bool)
        mask[torch.cat(held)] = True
        kept, aside = send([(~mask).nonzero()[:, 0], mask.nonzero()[:, 0]], self.train.labels.device)
        return replace(
            self,
            name=self.name + HOLDOUT,
            train=self.train.take(kept),
            split=TestSplit(self.train.take(aside), held_out=True),
        )

    def to(self, device: torch.device) -> Self:
        """Return the task on `device`, with a fresh count of test reads."""
        return replace(self, train=self.train.to(device), split=self.split.to(device))


@dataclass(frozen=True)
class Budget:
    """The size limit of a set: images per class, or the same number of bytes."""

    ipc: int

    def __post_init__(self) -> None:
        if self.ipc < 1:
            raise ValueError(f"ipc {self.ipc} must be at least 1")


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter with the candidates `values` for tuning."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or None in self.values:
            raise ValueError(
                "a Choice needs at least one value, and no None, which settings files cannot say"
            )


@dataclass(frozen=True)
class LogUniform:
    """A hyper-parameter that tuning samples log-uniformly from [low, high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < inf:
            raise ValueError(f"LogUniform({self.low}, {self.high}): give 0 < low < high")


ANY_SIZE = 0
"""As the ipc of a key: every size that has no separate entry."""

UNPUBLISHED = "no settings are published: the defaults"
"""As the source of settings: settings are published for other sizes, but not for this one."""


Default = TypeVar("Default")

LATER = "later"
"""In the metadata of a field of `later`: the value that earlier releases had."""


def later(default: Default, *, before: Default | EllipsisType = ...) -> Default:
    """Return the dataclass field of a setting that was added after results were published.

    before: the value that earlier releases used, by default `default`. A cell leaves the setting out if it
    has this value, so the cell keeps the id of earlier releases.
    """
    found: Default = field(default=default, metadata={LATER: default if before is ... else before})
    return found


@dataclass(frozen=True)
class Scores:
    """The result of an evaluator: for each name one value per copy, such as `accuracy` in [0, 1]."""

    values: Mapping[str, tuple[float, ...]]


class Distiller(Protocol):
    """One run of a method. The harness runs the loop over its outer steps.

    `suite.core.distilling.base.BaseDistiller` has defaults for all but `steps`, `step` and `synthetic`.
    """

    steps: int  # outer steps planned
    cached_seconds: float  # time of cached work by earlier trials, also charged to this trial

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step and return its metrics, which may be tensors on the device."""
        ...

    def synthetic(self) -> SyntheticSet:
        """Return the current set."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, including generators."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; the run continues with the same bits."""
        ...

    @property
    def milestones(self) -> Collection[int]:
        """Outer steps after which a finished set exists; the harness keeps it. By default none."""
        ...

    def diagnosis(self) -> str:
        """Return the name of the non-finite value of the last outer step, or ""."""
        ...


@runtime_checkable
class Method(Protocol):
    """A distillation method: a frozen dataclass whose fields are its hyper-parameters.

    `suite.core.distilling.base.BaseMethod` has defaults for all but `start`. Three fields mean the same in
    every method: `network` is the inner network, by default that of the grid; `steps` is the number of outer
    steps; `precision` is the precision of products, which the device must support.
    """

    title: ClassVar[str]  # short and long name: "DM: distribution matching"
    paper: ClassVar[str]  # its publication: "arXiv 2110.04181", or "" for none
    recipe: ClassVar[str]  # the retraining recipe of its paper ("native")
    # (task family, ipc) -> exceptions to `recipe`. An ipc of ANY_SIZE stands for all other sizes.
    recipes: ClassVar[Mapping[tuple[str, int], str]]
    ordered: ClassVar[bool]  # whether the images of a class are sorted, best first: prefixes can be scored
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]]  # likewise -> settings
    # Likewise -> the source of settings that do not come from its paper; UNPUBLISHED if there is no source.
    borrowed: ClassVar[Mapping[tuple[str, int], str]]
    smoke: ClassVar[Mapping[str, Any]]  # overrides with which a run takes about a second
    # What `ratbench tune` chooses: the one to three most influential hyper-parameters. Leave out those that
    # change the cost of an outer step, since all tries have the same number of outer steps.
    space: ClassVar[Mapping[str, Choice | LogUniform]]

    @property
    def outer_steps(self) -> int | None:
        """Outer steps of a run; None if the number is known only after the start."""
        ...

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError if this method cannot run on `train` at `budget`."""
        ...

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run on the device of `train`."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """A frozen dataclass whose fields are its settings; scores a synthetic set on a task.

    Four fields mean the same in every evaluator: `network` is by default that of the grid; `recipe` is a
    recipe or `native`; `native_recipe` is the recipe of the method whose set is scored, set by the grid;
    `copies` is the number of networks.
    """

    title: ClassVar[str]  # the heading of its tables: "Across architectures"
    scores: ClassVar[tuple[Score, ...]]  # its scores, and how the board shows them
    smoke: ClassVar[Mapping[str, Any]]  # overrides with which a run takes about a second

    def check(self, train: Examples) -> None:
        """Raise ValueError if the settings do not fit the images of `train`."""
        ...

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Score `synthetic` on `task`; read the test split once."""
        ...
