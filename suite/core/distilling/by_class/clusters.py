"""Real images chosen by clusters: those of a class nearest to its centres, so that they cover it evenly."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.distilling.matching import RealBatches
from suite.core.execution.transfer import send
from suite.core.training.fit import map_batches


@dataclass(frozen=True)
class Clusters:
    """The images (n, …) and the rows of each class, on one device; rounds: of k-means, at most."""

    images: Tensor
    rows: tuple[Tensor, ...]
    rounds: int

    @classmethod
    def of(cls, real: RealBatches, rounds: int) -> "Clusters":
        """Return the clusters of the images from which batches are drawn."""
        return cls(real.images, tuple(send(real.rows, real.images.device)), rounds)

    def choose(self, features: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
        """Return the rows (classes, k) of the images nearest to the k centres of each class.

        features: maps images (n, …) to features (n, d); start: rows (classes, k) of the first centres. Equal
        ones, as in batches that are filled up, stay equal.
        """
        chosen = []
        for own, first in zip(self.rows, start, strict=True):
            found, begin = (map_batches(features, self.images[rows]).flatten(1) for rows in (own, first))
            chosen.append(own[nearest(found, centres(found, begin, self.rounds))])
        return torch.stack(chosen)


def centres(features: Tensor, start: Tensor, rounds: int) -> Tensor:
    """Return the centres (k, d) of features (n, d) after rounds of k-means from `start`.

    A centre without members stays. A CPU leaves out rounds that change nothing.
    """
    found, numbers = start, torch.arange(len(start), device=start.device)
    for _ in range(rounds):
        members = (torch.cdist(features, found).argmin(1) == numbers[:, None]).to(features)
        counts = members.sum(1, keepdim=True)
        moved = torch.where(counts > 0, members @ features / counts.clamp(min=1), found)
        if features.device.type == "cpu" and torch.equal(moved, found):
            break
        found = moved
    return found


def nearest(features: Tensor, points: Tensor) -> Tensor:
    """Return the rows (k,) of features (n, d) that are nearest to points (k, d)."""
    return torch.cdist(points, features).argmin(1)
