"""K-means: the real images nearest to each class's cluster centres in feature space.

As a selection baseline: Cui et al., "DC-BENCH: Dataset condensation benchmark", NeurIPS 2022,
arXiv 2207.09639. A network trains on train, the features of each class are clustered, and images are ordered
by the size of their cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import FeatureSelection
from suite.core.seeding import derive


@dataclass(frozen=True)
class KMeans(FeatureSelection):
    """Select the real images nearest to each class's cluster centres, in a trained network's features."""

    title: ClassVar[str] = "K-means: real images nearest to each class's cluster centres"
    paper: ClassVar[str] = "arXiv 2207.09639"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 1, "network": "convnet-d1-w8-in"}

    def order(self, features: Tensor, ipc: int) -> Tensor:
        """Return the rows (ipc,) nearest to the centres, largest cluster first."""
        # Imported here because it takes a second.
        from sklearn.cluster import KMeans as Clusters  # type: ignore[import-untyped]

        # One random stream for all seeds: the features already differ between seeds.
        found = Clusters(ipc, random_state=derive(0, "k-means") % 2**32).fit(features.cpu().numpy())
        centres = torch.from_numpy(found.cluster_centers_).to(features)
        sizes = torch.from_numpy(found.labels_).bincount(minlength=ipc)
        distances = torch.cdist(centres, features)
        chosen = []
        for centre in sizes.argsort(descending=True, stable=True).tolist():
            chosen.append(distances[centre].argmin(0, keepdim=True))
            # Take an image once, even if it is nearest to two centres.
            distances.index_fill_(1, chosen[-1], torch.inf)
        return torch.cat(chosen)


METHOD = KMeans
