"""A distilled set: a few images of each class with their labels, and their stored size."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from suite.core.names import TEACHER
from suite.core.sets.codes import Images, by_class
from suite.core.sets.parametrisations import Parametrisation, Quantised


@dataclass(frozen=True)
class Minibatch:
    """The minibatch of an inner step; None takes all.

    per_class: images of each class; classes: number of classes.
    """

    per_class: int | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("per_class", self.per_class), ("classes", self.classes)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(
                    f"minibatch {name} {value!r} must be at least 1, a whole number, or left out for all"
                )

    def check(self, classes: int, ipc: int) -> None:
        """Raise ValueError if it is larger than a set of `classes` * `ipc` images."""
        for name, value, limit, what in (
            ("per_class", self.per_class, ipc, "images of each class"),
            ("classes", self.classes, classes, "classes"),
        ):
            if value is not None and value > limit:
                raise ValueError(
                    f"minibatch {name} {value} is larger than the set's {limit} {what}; lower it, or leave "
                    "it out for all"
                )

    def within(self, classes: int, ipc: int) -> "Minibatch":
        """Return the minibatch for a part of a set, which has `classes` * `ipc` images."""
        per_class = None if self.per_class is None else min(self.per_class, ipc)
        return Minibatch(per_class, None if self.classes is None else min(self.classes, classes))

    def takes_all(self, classes: int, ipc: int) -> bool:
        """Return whether a step takes the whole set, so that nothing is drawn."""
        return (self.classes or classes) >= classes and (self.per_class or ipc) >= ipc

    def sample(self, classes: int, ipc: int, rng: torch.Generator) -> Tensor:
        """Draw the rows of one step from a class-major set of `classes` * `ipc` images."""
        if self.takes_all(classes, ipc):
            return torch.arange(classes * ipc)
        chosen = torch.arange(classes)
        if self.classes is not None and self.classes < classes:
            chosen = torch.randperm(classes, generator=rng)[: self.classes]
        within = torch.arange(ipc).expand(len(chosen), ipc)
        if self.per_class is not None and self.per_class < ipc:
            order = torch.rand(len(chosen), ipc, generator=rng).argsort(1)
            within = order[:, : self.per_class]
        return (chosen[:, None] * ipc + within).flatten()


@dataclass(frozen=True)
class Teacher:
    """A network trained on the training split: its name, and its parameters (n,) with running statistics."""

    network: str
    parameters: Tensor


@dataclass(frozen=True)
class SyntheticSet:
    """A distilled set; the first k images of each class are its prefix of size k.

    images: (classes, n, channels, height, width), preprocessed;
    labels: (classes, n, classes), non-negative targets, one-hot when hard;
    minibatch: the minibatch of the method's inner loop, for its native recipe, no larger than the set;
    parametrisation: the stored code of a factorised set, which decodes to the images;
    lr: the learning rate that was learned with the set, if any, for recipes that use it;
    data: the fingerprint of the data from which it was distilled, "" if unknown;
    teachers: the networks that label every augmented batch, in recipes that do so.
    """

    images: Tensor
    labels: Tensor
    minibatch: Minibatch = field(default=Minibatch())
    parametrisation: Parametrisation | None = None
    lr: float | None = None
    data: str = ""
    teachers: tuple[Teacher, ...] = ()

    @classmethod
    def with_hard_labels(cls, images: Tensor) -> "SyntheticSet":
        """Return the set of images (classes, n, channels, height, width), each labelled by its class."""
        return cls(images, one_hot(*images.shape[:2], like=images))

    @classmethod
    def from_parametrisation(
        cls, code: Parametrisation, minibatch: Minibatch | None = None
    ) -> "SyntheticSet":
        """Return the set that `code` decodes to, with hard labels."""
        made = cls.with_hard_labels(code.decode())
        return replace(made, minibatch=minibatch or Minibatch(), parametrisation=code)

    @classmethod
    def from_flat(cls, images: Tensor, labels: Tensor, classes: int | None = None) -> "SyntheticSet":
        """Return the set of images (n, channels, height, width) in any order, sorted by class.

        labels: classes (n,), or soft non-negative targets (n, classes), whose largest entry is the class.
        classes: their number if `labels` are classes; by default the largest class plus 1. Within a class
        the order stays. Raises ValueError if shapes do not agree, a label is out of range or negative, or
        classes have different numbers of images.

            >>> images = torch.rand(4, 1, 8, 8)
            >>> made = SyntheticSet.from_flat(images, torch.tensor([1, 0, 1, 0]))
            >>> made.images.shape, made.hard
            (torch.Size([2, 2, 1, 8, 8]), True)
        """
        images, labels = torch.as_tensor(images), torch.as_tensor(labels)
        if not images.numel():
            raise ValueError("there are no images; a set has at least one of each class")
        if images.ndim != 4 or labels.shape[:1] != images.shape[:1] or labels.ndim not in (1, 2):
            raise ValueError(
                f"images {tuple(images.shape)} and labels {tuple(labels.shape)} must be"
                " (n, channels, height, width) and (n,) or (n, classes)"
            )
        if labels.ndim == 2 and not (labels >= 0).all():
            raise ValueError(
                f"soft labels are negative or NaN, down to {labels.min().item():g};"
                " give probabilities, such as logits.softmax(1)"
            )
        own = labels if labels.ndim == 1 else labels.argmax(1)
        count = labels.shape[1] if labels.ndim == 2 else classes or int(own.max()) + 1
        if own.is_floating_point() or not 0 <= int(own.min()) <= int(own.max()) < count:
            raise ValueError(
                f"labels from {own.min()} to {own.max()} ({own.dtype}) must be whole numbers from 0 to"
                f" {count - 1}, one for each of {count} classes"
            )
        sizes = own.bincount(minlength=count).tolist()
        if len(set(sizes)) > 1:
            learned = (
                " by their labels' largest entries; learned labels need not agree with the class: give "
                "images and labels by class to SyntheticSet"
            )
            raise ValueError(
                f"every class needs the same number of images; they have {sizes}"
                + learned * (labels.ndim == 2)
            )
        rows = own.argsort(stable=True).view(count, -1)
        targets = labels.to(images)[rows] if labels.ndim == 2 else one_hot(count, rows.shape[1], like=images)
        return cls(images[rows], targets)

    def __post_init__(self) -> None:
        classes, count = self.images.shape[:2]
        if self.images.ndim != 5 or self.labels.shape != (classes, count, classes):
            raise ValueError(
                f"synthetic images {tuple(self.images.shape)} and labels {tuple(self.labels.shape)} "
                "must be (classes, n, channels, height, width) and (classes, n, classes)"
            )
        self.minibatch.check(classes, count)

    @property
    def ipc(self) -> int:
        """Images per class that a network sees; for a factorised set the number of decoded images."""
        return self.images.shape[1]

    @property
    def stored_ipc(self) -> int:
        """Images per class that it stores, or that its code replaces, if this is known."""
        return (self.parametrisation and self.parametrisation.stored_ipc) or self.ipc

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.images.shape[0]

    @property
    def hard(self) -> bool:
        """Whether every label is the one-hot of its class."""
        return torch.equal(self.labels, one_hot(self.classes, self.ipc, like=self.labels))

    @property
    def stored_bytes(self) -> int:
        """Bytes of the images or their parametrisation, and of labels that are not one-hot."""
        labels = 0 if self.hard else self.labels.nbytes
        return (self.images if self.parametrisation is None else self.parametrisation).nbytes + labels

    @property
    def teacher_bytes(self) -> int:
        """Bytes of the teachers' weights and running statistics."""
        return sum(each.parameters.nbytes for each in self.teachers)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Images, labels, what a factorised set stores, and the teachers' parameters, by name."""
        code = {} if self.parametrisation is None else self.parametrisation.tensors
        return {"images": self.images, "labels": self.labels, **code, **self.teachers_by_name}

    @property
    def teachers_by_name(self) -> dict[str, Tensor]:
        """The teachers' parameters, by the names that they have in a file."""
        return {f"{TEACHER}{at}": each.parameters for at, each in enumerate(self.teachers)}

    def prefix(self, ipc: int) -> "SyntheticSet":
        """Return the first `ipc` images that each class stores; raises ValueError as `take` does."""
        if not 0 < ipc <= self.stored_ipc:
            raise ValueError(f"prefix of {ipc} images per class: this set has {self.stored_ipc}")
        return self.take(torch.arange(ipc).expand(self.classes, -1))

    def take(self, rows: Tensor) -> "SyntheticSet":
        """Return what each class stores at `rows` (classes, n), in that order, with what it decodes to.

        Raises ValueError for a factorised set whose images cannot be separated.
        """
        code, each = self.parametrisation, self.ipc // self.stored_ipc
        seen = (rows[..., None] * each + torch.arange(each, device=rows.device)).flatten(1)
        return replace(
            self,
            images=by_class(self.images, seen),
            labels=by_class(self.labels, seen),
            minibatch=self.minibatch.within(*seen.shape),
            parametrisation=code.take(rows) if code else None,
        )

    def quantised(self, bits: int) -> "SyntheticSet":
        """Return the set with its images, or the tensors of its code, at 8, 4 or 2 bits per value.

        Labels, learned rate and teachers stay as they are. Raises ValueError for other bits, values that are
        not finite, and a set that is quantised already.
        """
        code = Quantised.encode(self.parametrisation or Images(self.images), bits)
        return replace(self, images=code.decode(), parametrisation=code)

    def flat(self) -> tuple[Tensor, Tensor]:
        """Return images (classes * n, …) and targets (classes * n, classes), class-major."""
        return self.images.flatten(0, 1), self.labels.flatten(0, 1)

    def to(self, device: torch.device) -> "SyntheticSet":
        """Return the set on `device`."""
        code = None if self.parametrisation is None else self.parametrisation.to(device)
        teachers = tuple(replace(each, parameters=each.parameters.to(device)) for each in self.teachers)
        images, labels = self.images.to(device), self.labels.to(device)
        return replace(self, images=images, labels=labels, parametrisation=code, teachers=teachers)


def one_hot(classes: int, count: int, *, like: Tensor | None = None) -> Tensor:
    """Return the hard labels of a set: (classes, count, classes), of the type and on the device of `like`."""
    unit = torch.eye(classes) if like is None else torch.eye(classes, dtype=like.dtype, device=like.device)
    return unit.unsqueeze(1).repeat(1, count, 1)
