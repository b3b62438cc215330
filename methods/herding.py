"""Herding: real images whose mean feature follows the class's.

Welling, "Herding dynamical weights to learn", ICML 2009; as a selection baseline: DC, arXiv 2006.05929.
A network trains on train. The images of a class are picked greedily, so that the mean of their features stays
nearest to the class's mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import FeatureSelection


@dataclass(frozen=True)
class Herding(FeatureSelection):
    """Select real images whose mean feature stays near the class's, in a trained network's features."""

    title: ClassVar[str] = "Herding: real images that follow the class's mean feature"
    paper: ClassVar[str] = "arXiv 2006.05929"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 1, "network": "convnet-d1-w8-in"}

    def order(self, features: Tensor, ipc: int) -> Tensor:
        """Return the rows (ipc,) whose running mean feature stays nearest to the mean."""
        mean = features.mean(0)
        total, taken = torch.zeros_like(mean), torch.zeros_like(features[:, 0], dtype=torch.bool)
        chosen = []
        for count in range(1, ipc + 1):
            distance = ((total + features) / count - mean).norm(dim=1)
            best = distance.masked_fill(taken, torch.inf).argmin(0, keepdim=True)
            chosen.append(best)
            taken.index_fill_(0, best, True)
            total = total + features[best][0]
        return torch.cat(chosen)


METHOD = Herding
