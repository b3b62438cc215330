"""Boosted DM: distribution matching in stages, so that every prefix is a useful set.

Boost-DD (Feng, Vedantam and Kempe, arXiv 2311.07025) applied to DM (arXiv 2110.04181). Each stage adds a
block of images per class. The mean embedding of all blocks so far is matched, so a new block complements the
earlier ones. Earlier blocks learn at `beta` times the learning rate; 0 freezes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from suite.core.distilling.boosting import Block, Boosted, BoostedDistiller, Growth
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.dm import DM, DMDistiller


@dataclass(frozen=True)
class BoostedDM(Boosted, DM):
    """Distribution matching in stages: each stage adds a block, and all blocks so far are matched."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of image_lr at which earlier blocks learn; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None splits `steps` evenly

    title: ClassVar[str] = "Boosted DM (Boost-DD): distribution matching block by block"
    smoke: ClassVar[Mapping[str, Any]] = {**DM.smoke, "block": 1, "beta": 0.1}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block; all blocks begin as real images or noise."""
        return BoostedDMDistiller(self, train, budget, seed)


class BoostedDMDistiller(BoostedDistiller, DMDistiller):
    """One run of boosted DM; it holds the images of all stages, and later stages are not used yet."""

    method: BoostedDM

    def __init__(self, method: BoostedDM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.growth = Growth(method.stages(budget.ipc))

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, of which earlier blocks take only the share `beta`."""
        self.growth.advance()
        loss = self.distance(self.images[:, : self.growth.size])
        self.optimiser.zero_grad()
        loss.backward()
        with self.growth.updating(self.images, self.method.beta):
            self.optimiser.step()
        return {"outer_loss": loss.detach(), "images_per_class": float(self.growth.size)}

    def synthetic(self) -> SyntheticSet:
        """Return the blocks of the stages so far."""
        return SyntheticSet.with_hard_labels(self.images.detach()[:, : self.growth.size].clone())


METHOD = BoostedDM
