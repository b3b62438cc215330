"""Boosted MTT: trajectory matching in stages, so that every prefix is a useful set.

Boost-DD (Feng, Vedantam and Kempe, arXiv 2311.07025) applied to MTT (arXiv 2203.11932). Each stage adds a
block of images per class. Students train on all blocks so far. Earlier blocks learn at `beta` times the
learning rate; 0 freezes them. The student's learning rate goes on from stage to stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.boosting import Block, Boosted, BoostedDistiller, Growth
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.mtt import MTT, MTTDistiller


@dataclass(frozen=True)
class BoostedMTT(Boosted, MTT):
    """Trajectory matching in stages: each stage adds a block, and students train on all blocks so far."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of image_lr at which earlier blocks learn; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None splits `steps` evenly

    title: ClassVar[str] = "Boosted MTT (Boost-DD): trajectory matching block by block"
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = dict.fromkeys(MTT.published, "the settings of mtt")
    smoke: ClassVar[Mapping[str, Any]] = {**MTT.smoke, "block": 1, "beta": 0.1}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the experts, or train the missing ones, and start with the first block."""
        return BoostedMTTDistiller(self, train, budget, seed)


class BoostedMTTDistiller(BoostedDistiller, MTTDistiller):
    """One run of boosted MTT; it holds the images of all stages, and later stages are not used yet."""

    method: BoostedMTT

    def __init__(self, method: BoostedMTT, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.growth = Growth(method.stages(budget.ipc))

    @property
    def count(self) -> int:
        """Images of the stages so far."""
        return len(self.images) * self.growth.size

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, of which earlier blocks take only the share `beta`."""
        self.growth.advance()
        drawn = self.draw()
        found = self.meta_gradient(drawn, [self._so_far(self.images)], self._so_far)
        of_all = torch.zeros_like(self.images)
        self._so_far(of_all).copy_(found.gradients[0])
        self.last = replace(found, gradients=(of_all,))
        self.set_gradients([self.images])
        with self.growth.updating(self.images, self.method.beta):
            self.optimiser.step()
        return {**self.metrics(drawn.epoch), "images_per_class": float(self.growth.size)}

    def _so_far(self, every: Tensor) -> Tensor:
        """Return the part (classes, n, …) of the stages so far of what all stages have."""
        return every[:, : self.growth.size]

    def synthetic(self) -> SyntheticSet:
        """Return the blocks of the stages so far, with the learned rate."""
        images, labels = self._so_far(self.images).clone(), self._so_far(self.labels).clone()
        return SyntheticSet(images, labels, lr=float(self.student_lr))


METHOD = BoostedMTT
