"""The vocabulary: what methods, evaluators and the harness say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from suite.core.codes import Code
from suite.core.examples import Examples as Examples
from suite.core.examples import TestSplit as TestSplit
from suite.core.seeding import generator


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
        return self.split.open()

    def holdout(self, fraction: float = 0.1) -> "Task":
        """Carve a task from train alone: its `test` is a stratified slice of train."""
        if not 0 < fraction < 1:
            raise ValueError(f"holdout fraction {fraction} must lie between 0 and 1")
        draw = generator(0, "holdout", self.name)
        held = []
        for indices in self.train.by_class():
            count = max(1, round(fraction * len(indices)))
            if count >= len(indices):
                raise ValueError(f"a class of {len(indices)} images is too small to hold out {fraction}")
            held.append(indices[torch.randperm(len(indices), generator=draw)[:count]])
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
    """Images per class, and the smaller sizes whose prefixes are scored too."""

    ipc: int
    nested: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.ipc < 1:
            raise ValueError(f"ipc {self.ipc} must be at least 1")
        if wrong := [size for size in self.nested if not 0 < size < self.ipc]:
            raise ValueError(f"nested sizes {wrong} must lie between 1 and ipc - 1 = {self.ipc - 1}")
        if len(set(self.nested)) < len(self.nested):
            raise ValueError(f"nested sizes {list(self.nested)} name one twice")


@dataclass(frozen=True)
class Minibatch:
    """How an inner step draws from a synthetic set; None takes all.

    per_class: images of each class; classes: how many of the classes.
    """

    per_class: int | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("per_class", self.per_class), ("classes", self.classes)):
            if value is not None and value < 1:
                raise ValueError(f"minibatch {name} {value} must be at least 1, or left out for all")

    def draw(self, classes: int, ipc: int, draw: torch.Generator) -> Tensor:
        """Draw the rows of a class-major set of `classes` * `ipc` images that one step uses."""
        chosen = torch.arange(classes)
        if self.classes is not None and self.classes < classes:
            chosen = torch.randperm(classes, generator=draw)[: self.classes]
        within = torch.arange(ipc).expand(len(chosen), ipc)
        if self.per_class is not None and self.per_class < ipc:
            order = torch.rand(len(chosen), ipc, generator=draw).argsort(1)
            within = order[:, : self.per_class]
        return (chosen[:, None] * ipc + within).flatten()


@dataclass(frozen=True)
class SyntheticSet:
    """A distilled set; the first k images of each class are its prefix of size k.

    images: (classes, n, channels, height, width), preprocessed;
    labels: (classes, n, classes), non-negative targets, one-hot when hard;
    minibatch: how the method's own inner loop drew from it, for its native recipe;
    code: of a factorised set what is stored in place of the images, which it decodes to;
    lr: the learning rate that was learned with it, if one was, for recipes that take it.
    """

    images: Tensor
    labels: Tensor
    minibatch: Minibatch = field(default=Minibatch())
    code: Code | None = None
    lr: float | None = None

    @classmethod
    def decoded(cls, code: Code, minibatch: Minibatch | None = None) -> "SyntheticSet":
        """Return the set that `code` decodes to, with hard labels."""
        images = code.decode()
        return cls(images, one_hot(*images.shape[:2]).to(images), minibatch or Minibatch(), code)

    def __post_init__(self) -> None:
        classes, count = self.images.shape[:2]
        if self.images.ndim != 5 or self.labels.shape != (classes, count, classes):
            raise ValueError(
                f"synthetic images {tuple(self.images.shape)} and labels {tuple(self.labels.shape)} "
                "must be (classes, n, channels, height, width) and (classes, n, classes)"
            )

    @property
    def ipc(self) -> int:
        """Images per class that a network sees: of a factorised set those that it decodes to."""
        return self.images.shape[1]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.images.shape[0]

    @property
    def hard(self) -> bool:
        """Whether every label is the one-hot of its class."""
        return torch.equal(self.labels, one_hot(self.classes, self.ipc).to(self.labels))

    @property
    def stored_bytes(self) -> int:
        """Bytes that must be kept: the images or their code, and the labels unless they are one-hot."""
        labels = 0 if self.hard else self.labels.nbytes
        return (self.images if self.code is None else self.code).nbytes + labels

    def prefix(self, ipc: int) -> "SyntheticSet":
        """Return the first `ipc` images of each class; a factorised set, stored as a whole, has none."""
        if self.code is not None:
            raise ValueError(
                f"a set that stores a {self.code.kind} code has no prefixes: distil it at each size instead"
            )
        if not 0 < ipc <= self.ipc:
            raise ValueError(f"prefix of {ipc} images per class: this set has {self.ipc}")
        return replace(self, images=self.images[:, :ipc], labels=self.labels[:, :ipc])

    def take(self, rows: Tensor) -> "SyntheticSet":
        """Return of each class the images at `rows` (classes, n), in that order."""
        at, rows = torch.arange(self.classes, device=self.images.device)[:, None], rows.to(self.images.device)
        return replace(self, images=self.images[at, rows], labels=self.labels[at, rows])

    def flat(self) -> tuple[Tensor, Tensor]:
        """Return images (classes * n, …) and targets (classes * n, classes), class-major."""
        return self.images.flatten(0, 1), self.labels.flatten(0, 1)

    def to(self, device: torch.device) -> "SyntheticSet":
        """Return the set on `device`."""
        code = None if self.code is None else self.code.to(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), code=code)


def one_hot(classes: int, count: int) -> Tensor:
    """Return the hard labels of a set: (classes, count, classes)."""
    return torch.eye(classes).unsqueeze(1).repeat(1, count, 1)


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
    """One run of a method, started. The harness owns the loop around it."""

    steps: int

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


@runtime_checkable
class Method(Protocol):
    """A distillation method: a frozen dataclass whose fields are its hyper-parameters."""

    smoke: ClassVar[Mapping[str, Any]]  # overrides with which a run takes about a second
    space: ClassVar[Mapping[str, Choice | LogUniform]]  # where tuning may look
    recipe: ClassVar[str]  # the retraining recipe its paper used ("native")
    paper: ClassVar[str]  # where it was published
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]]  # (family, ipc) -> settings

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError where this method cannot run on `train` at `budget`."""
        ...

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run on the device where `train` lies."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """A frozen dataclass whose fields are its settings; scores a synthetic set on a task."""

    smoke: ClassVar[Mapping[str, Any]]

    def check(self, train: Examples) -> None:
        """Raise ValueError where these settings do not fit images like those of `train`."""
        ...

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Score `synthetic` on `task`, reading its test split once."""
        ...
