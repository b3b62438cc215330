"""Forgetting: the real images of each class that a network forgets most often while it learns.

Toneva et al., "An empirical study of example forgetting during deep neural network learning", ICLR 2019,
arXiv 1812.05159; as a selection baseline: DC, arXiv 2006.05929.
An image is forgotten if it was classified correctly in its last batch, but not in this one; both are measured
before the batch's step. As in the paper, images that were never correct count as forgotten most often.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import TrainedSelection, highest
from suite.core.execution.transfer import send
from suite.core.seeding import generator
from suite.core.spec import Examples
from suite.core.training.cached import cached_training
from suite.core.training.recipes import recipe


@dataclass(frozen=True)
class Forgetting(TrainedSelection):
    """Select the real images that a network forgets most often during training."""

    title: ClassVar[str] = "Forgetting: the real images that are forgotten most often"
    paper: ClassVar[str] = "arXiv 1812.05159"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 2, "network": "convnet-d1-w8-in"}

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the selected images, and the seconds of cached training that are charged to this run."""
        how = [self.network, asdict(recipe(self.training)), self.epochs, seed]
        counts, seconds = cached_training("forgetting", train, how, lambda: self._counts(train, seed))
        counts, ties = counts.cpu(), generator(seed, "ties")
        chosen = [rows[highest(counts[rows], ipc, ties)] for rows in train.rows_by_class()]
        return send(chosen, train.labels.device), seconds

    def _counts(self, train: Examples, seed: int) -> Tensor:
        """Return how often each image (n,) is forgotten while a fresh network trains."""
        memory = Memory(train.labels)
        for rows, logits in self.watched(train, seed=seed):
            memory.see(rows, logits.argmax(1) == train.labels[rows])
        return memory.forgotten()


class Memory:
    """Whether each image was right in its last batch and ever, and how often it was forgotten."""

    def __init__(self, labels: Tensor) -> None:
        self.counts = torch.zeros_like(labels)
        self.last, self.ever = torch.zeros_like(labels, dtype=torch.bool).repeat(2, 1).unbind()

    def see(self, rows: Tensor, right: Tensor) -> None:
        """Record whether the images at the distinct `rows` (n,) are right (n,)."""
        self.counts[rows] += self.last[rows] & ~right
        self.last[rows] = right
        self.ever[rows] |= right

    def forgotten(self) -> Tensor:
        """Return each image's count; images that were never right have the largest count plus one."""
        return torch.where(self.ever, self.counts, self.counts.max() + 1)


METHOD = Forgetting
