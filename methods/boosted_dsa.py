"""Boosted DSA: gradient matching in stages, so that every prefix is a useful set.

Boost-DD (Feng, Vedantam and Kempe, arXiv 2311.07025) applied to DSA (arXiv 2102.08259). Each stage adds a
block of images per class. Gradients of all blocks so far are matched, in networks that train on all of them.
Earlier blocks learn at `beta` times the learning rate; 0 freezes them. All stages have the loops of the whole
set's size, unless they are given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from suite.core.distilling.boosting import Block, Boosted, BoostedDistiller, Growth
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.dc import DCDistiller
from suite.plugins.methods.dsa import DSA


@dataclass(frozen=True)
class BoostedDSA(Boosted, DSA):
    """Gradient matching in stages: each stage adds a block, and all blocks so far are matched."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of image_lr at which earlier blocks learn; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None splits `steps` evenly

    title: ClassVar[str] = "Boosted DSA (Boost-DD): gradient matching block by block"
    smoke: ClassVar[Mapping[str, Any]] = {**DSA.smoke, "block": 1, "beta": 0.1}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block; all blocks begin as real images or noise."""
        return BoostedDSADistiller(self, train, budget, seed)


class BoostedDSADistiller(BoostedDistiller, DCDistiller):
    """One run of boosted DSA; it holds the images of all stages, and later stages are not used yet."""

    method: BoostedDSA

    def __init__(self, method: BoostedDSA, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.growth = Growth(method.stages(budget.ipc))

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step; begin a new stage first if it is due."""
        self.growth.advance()
        return super().step()

    def matched(self) -> Tensor:
        """Return the blocks of the stages so far."""
        return self.images[:, : self.growth.size]

    def update(self) -> None:
        """Move the images, of which earlier blocks take only the share `beta`."""
        with self.growth.updating(self.images, self.method.beta):
            super().update()


METHOD = BoostedDSA
