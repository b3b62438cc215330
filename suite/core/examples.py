"""Labelled real images, and the test split, which counts its reads."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from suite.core.data.stored_images import StoredImages
from suite.core.execution.transfer import send


@dataclass(frozen=True)
class Examples:
    """Labelled real images.

    images: (n, channels, height, width) float32, preprocessed; `StoredImages` if they are large;
    labels: (n,) int64; mirrored: whether a mirrored image keeps its class, as that of a digit does not.
    """

    images: Tensor
    labels: Tensor
    classes: int
    mirrored: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def counts(self) -> list[int]:
        """Return the number of images of each class; waits for the device."""
        counts: list[int] = torch.bincount(self.labels.cpu(), minlength=self.classes).tolist()
        return counts

    def by_class(self) -> list[Tensor]:
        """Return the indices of each class's images, in their order: `classes` tensors."""
        return send(self.rows_by_class(), self.labels.device)

    def rows_by_class(self) -> list[Tensor]:
        """Return the indices of each class's images on the host, for drawing; waits for the device."""
        labels = self.labels.cpu()
        return [(labels == label).nonzero().flatten() for label in range(self.classes)]

    def take(self, indices: Tensor) -> "Examples":
        """Return the examples at `indices` (m,)."""
        (own,) = send([indices], self.labels.device)
        return replace(self, images=self.images[own], labels=self.labels[own])

    def sample_rows(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw the rows (count,) of distinct examples, or all rows if there are fewer, on the host."""
        return torch.randperm(len(self), generator=rng)[:count]

    def to(self, device: torch.device) -> "Examples":
        """Return the examples on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def hash_into(self, digest: Any, *, pixels: bool = True) -> None:
        """Update `digest` with the shapes, the labels, `mirrored` if false, and, if `pixels`, the images."""
        facts = [list(self.images.shape), self.classes] + ([] if self.mirrored else ["not mirrored"])
        digest.update(json.dumps(facts).encode())
        hash_tensor(digest, self.labels)
        if pixels and isinstance(self.images, StoredImages):
            self.images.hash_into(digest)
        elif pixels:
            hash_tensor(digest, self.images)


class TestSplit:
    """The test examples behind a counter: `read` is the only way to them.

    Hashing and moving are not reads. Reads of a moved split also count for the original. Copying and
    pickling are refused, since reads of a copy would not be counted.

    total_reads: in this process, including splits loaded outside the harness; reads of a
    holdout, whose examples are of train, do not count.
    """

    __test__: ClassVar[bool] = False  # to pytest: no class of tests
    __slots__ = ("__examples", "__origin", "__reads", "held_out")

    total_reads: ClassVar[int] = 0

    def __init__(self, examples: Examples, *, held_out: bool = False, origin: "TestSplit | None" = None):
        self.__examples, self.__origin, self.__reads = examples, origin, 0
        self.held_out = held_out

    @property
    def reads(self) -> int:
        """How often it was read, on any device."""
        return self.__reads

    def read(self) -> Examples:
        """Return the examples and count one read."""
        self.__count()
        TestSplit.total_reads += not self.held_out
        return self.__examples

    def to(self, device: torch.device) -> "TestSplit":
        """Return the split on `device`, with a fresh count."""
        return TestSplit(self.__examples.to(device), held_out=self.held_out, origin=self)

    def hash_into(self, digest: Any, *, pixels: bool = True) -> None:
        """Update a SHA-256 with the shapes, the labels and, if `pixels`, the images: no read.

        Raises TypeError for any other digest, which could keep what it is given.
        """
        if type(digest) is not type(hashlib.sha256()):
            raise TypeError(f"a test split is hashed by hashlib.sha256, not given to {type(digest).__name__}")
        self.__examples.hash_into(digest, pixels=pixels)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a test split is neither copied nor pickled: its reads would go uncounted")

    def __count(self) -> None:
        self.__reads += 1
        if self.__origin is not None:
            self.__origin.__count()


def shuffled(count: int, batch: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield rows (batch,) below `count` forever, in a new order each epoch; an epoch's last may be fewer."""
    while True:
        yield from torch.randperm(count, generator=rng).split(batch)


def hash_tensor(digest: Any, tensor: Tensor) -> None:
    """Update `digest` with a tensor's bytes, piece by piece."""
    for chunk in torch.split(tensor, 4096):
        digest.update(chunk.cpu().contiguous().numpy().data)
