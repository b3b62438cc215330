"""DREAM: IDC with real batches that represent each class, chosen by clusters.

Liu, Gu, Wang, Zhu, Jiang and You, "DREAM: Efficient dataset distillation by representative matching", ICCV
2023, arXiv 2302.14416. Every `cluster_every` updates each class is clustered by k-means in the embedding of
the current network; until the next time its real batch is the images nearest to the centres. Initial images
are chosen in the same way, by an untrained network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.by_class.clusters import Clusters
from suite.core.distilling.by_class.formations import Match
from suite.core.distilling.initial_images import random_choice
from suite.core.limits import at_least_one
from suite.core.seeding import generator
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.plugins.methods.idc import IDC, IDCDistiller

_TINY: Mapping[str, Any] = {"real_batch": 64, "network_images": 1000, "image_lr": 5e-3 * (64 / 32) ** 2}


@dataclass(frozen=True)
class DREAM(IDC):
    """Match class-wise gradients of representative real images; each stored image holds several."""

    real_batch: int = 128
    cluster_every: int = 10  # updates of the images until real ones are chosen anew
    cluster_rounds: int = 100  # of k-means, at most

    title: ClassVar[str] = "DREAM: representative matching"
    paper: ClassVar[str] = "arXiv 2302.14416"
    smoke: ClassVar[Mapping[str, Any]] = {**IDC.smoke, "cluster_every": 2, "cluster_rounds": 3}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(1e-6, 0.5)}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **IDC.published,
        ("tiny-imagenet", ANY_SIZE): _TINY,
        ("tiny-imagenet", 50): {**_TINY, "image_lr": 1e-6 * (64 / 32) ** 2},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "cluster_every", "cluster_rounds")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from representative images, reduced and placed side by side."""
        return DREAMDistiller(self, train, budget, seed)


class DREAMDistiller(IDCDistiller):
    """One run of DREAM; `rows` (classes, real_batch) are those of the representative images."""

    method: DREAM

    def __init__(self, method: DREAM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        width = self.real.width
        self.rows = torch.zeros(train.classes, width, dtype=torch.long, device=train.images.device)

    def initial(self, train: Examples, count: int, seed: int) -> Tensor:
        """Return the real images (classes, count, …) nearest to as many centres."""
        self.clusters = Clusters.of(self.real, self.method.cluster_rounds)
        first = self.network.initialise(generator(seed, "networks"), train.images.device)
        start = torch.stack(random_choice(train, count, seed=seed))
        return train.images[self.clusters.choose(partial(self.network.features, first), start)]

    def update(self, match: Match, *given: Tensor) -> Tensor:
        """Choose real images if it is time, from the drawn ones as centres, and update the pixels once."""
        if self.step_count % self.method.network_steps % self.method.cluster_every == 0:
            self.rows = self.clusters.choose(partial(self.network.features, given[0]), match.real)
        return super().update(Match(match.synthetic, self.rows, match.pairing), *given)


METHOD = DREAM
