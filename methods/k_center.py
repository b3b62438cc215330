"""K-Center: greedy farthest-point cover of each class in feature space.

Sener and Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR 2018,
arXiv 1708.00489. A network trains on train. In each class, the image nearest to the mean feature is picked
first, then repeatedly the image farthest from all picked ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import FeatureSelection


@dataclass(frozen=True)
class KCenter(FeatureSelection):
    """Select real images that cover each class: nearest to the mean first, then always the farthest."""

    title: ClassVar[str] = "K-Center: real images that cover each class"
    paper: ClassVar[str] = "arXiv 1708.00489"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 1, "network": "convnet-d1-w8-in"}

    def order(self, features: Tensor, ipc: int) -> Tensor:
        """Return the rows (ipc,); each is farthest from the earlier ones."""
        chosen = [(features - features.mean(0)).norm(dim=1).argmin(0, keepdim=True)]
        nearest = (features - features[chosen[0]]).norm(dim=1)
        while len(chosen) < ipc:
            nearest.index_fill_(0, chosen[-1], -1.0)  # never an image twice, even among duplicates
            chosen.append(nearest.argmax(0, keepdim=True))
            nearest = torch.minimum(nearest, (features - features[chosen[-1]]).norm(dim=1))
        return torch.cat(chosen)


METHOD = KCenter
