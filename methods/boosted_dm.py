"""Boosted DM: distribution matching in stages, so that every prefix is worth training on.

Boost-DD (Feng, Vedantam and Kempe, arXiv 2311.07025) applied to DM (arXiv 2110.04181). Each stage adds a
block of images per class. The mean embedding of all blocks so far is matched, so that a new block learns
what the earlier ones lack; these move by a share `beta` of each step, and not at all at 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from suite.core.distilling.boosting import Block, Boosted, Growth, stages
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.dm import DM, DMDistiller


@dataclass(frozen=True)
class BoostedDM(Boosted, DM):
    """Distribution matching in stages: each adds a block of images, and all blocks so far are matched."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of image_lr at which earlier blocks learn; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None splits `steps` evenly

    title: ClassVar[str] = "Boosted DM (Boost-DD): distribution matching block by block"
    smoke: ClassVar[Mapping[str, Any]] = {**DM.smoke, "block": 1, "beta": 0.1}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block; all blocks begin as real images or noise."""
        return BoostedDMDistiller(self, train, budget, seed)


class BoostedDMDistiller(DMDistiller):
    """One run; images of later stages lie behind the others and wait."""

    method: BoostedDM

    def __init__(self, method: BoostedDM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.growth = Growth(stages(budget.ipc, method.block, method.steps, method.stage_steps))

    @property
    def milestones(self) -> tuple[int, ...]:
        """Outer steps that end a stage, without the last stage."""
        return self.growth.milestones

    def step(self) -> Mapping[str, float]:
        """Take one outer step, and take back all but `beta` of what it moves earlier blocks."""
        self.growth.advance()
        loss = self.distance(self.images[:, : self.growth.size])
        self.optimiser.zero_grad()
        loss.backward()
        earlier = self.images.detach()[:, : self.growth.earlier]
        before = earlier.clone()
        self.optimiser.step()
        earlier.copy_(torch.lerp(before, earlier, self.method.beta))
        return {"outer_loss": float(loss.detach()), "images_per_class": float(self.growth.size)}

    def synthetic(self) -> SyntheticSet:
        """Return the blocks of the stages so far."""
        return SyntheticSet.with_hard_labels(self.images.detach()[:, : self.growth.size].clone())


METHOD = BoostedDM
