"""Random subset: random real images of each class, the baseline of all methods."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from suite.core.distilling.initial_images import random_choice
from suite.core.distilling.selection import Selection
from suite.core.spec import Examples


@dataclass(frozen=True)
class RandomSubset(Selection):
    """Select random real images of each class."""

    title: ClassVar[str] = "Random subset: random real images"

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        """Draw without replacement."""
        return random_choice(train, ipc, seed=seed)


METHOD = RandomSubset
