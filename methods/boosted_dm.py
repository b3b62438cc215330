"""Distribution matching in stages: Boost-DD (arXiv 2311.07025) applied to DM (arXiv 2110.04181).

A new block learns what the mean embedding of the earlier ones lacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from suite.core.distilling.boosting import Block, Boosted, Growing, stages
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.dm import DM, Run


@dataclass(frozen=True)
class BoostedDM(Boosted, DM):
    """Distribution matching in stages: each adds a block of images, and all blocks so far are matched."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of image_lr at which earlier blocks go on learning; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None: equal parts of `steps`

    smoke: ClassVar[Mapping[str, Any]] = {**DM.smoke, "block": 1, "beta": 0.1}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block, of real images or noise as all that join."""
        return _Run(self, train, budget, seed)


class _Run(Growing, Run):
    method: BoostedDM

    def __init__(self, method: BoostedDM, train: Examples, budget: Budget, seed: int) -> None:
        self.stages = stages(budget.ipc, method.block, method.steps, method.stage_steps)
        self.stage, self.within = 0, 0
        super().__init__(method, train, budget, seed)

    def step(self) -> Mapping[str, float]:
        """Take one outer step; of what it moves the earlier blocks, they keep `beta`."""
        self.grow()
        earlier = self.images.detach()[:, : self.earlier]
        kept = earlier.clone()
        found = super().step()
        earlier.copy_(torch.lerp(kept, earlier, self.method.beta))
        return {**found, "images_per_class": float(self.size)}


METHOD = BoostedDM
