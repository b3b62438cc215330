"""Boosted RaT-BPTT (Boost-DD): a set built block by block, whose every prefix is worth training on.

Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", ICLR 2024, arXiv 2311.07025. No
code of it was published: what the paper leaves open is an option here, or says why it is as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.boosting import Block, Boosted, Growing, stages
from suite.core.distilling.initial_images import initial_images
from suite.core.seeding import derive
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.rat_bptt import RaTBPTT, Run


@dataclass(frozen=True)
class BoostedRaTBPTT(Boosted, RaTBPTT):
    """RaT-BPTT in stages: each adds a block of images, and all blocks so far train the inner networks."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of outer_lr at which earlier blocks go on learning; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None: equal parts of `steps`
    # Fresh moments would move every pixel of the earlier blocks by a full step as soon as a stage begins.
    keep_moments: bool = True

    smoke: ClassVar[Mapping[str, Any]] = {**RaTBPTT.smoke, "block": 1, "beta": 0.1, "steps": 4}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block; later ones join from images drawn as the first one's."""
        return _Run(self, train, budget, seed)


class _Run(Growing, Run):
    method: BoostedRaTBPTT

    def __init__(self, method: BoostedRaTBPTT, train: Examples, budget: Budget, seed: int) -> None:
        self.stages = stages(budget.ipc, method.block, method.steps, method.stage_steps)
        self.stage, self.within = 0, 0
        super().__init__(method, train, budget, seed)
        # Meta-gradients applied before the Adam of each block began, which corrects its bias by its own age.
        self.began = self.images.new_zeros(len(self.stages.blocks))

    def initial(self, train: Examples, budget: Budget, seed: int) -> Tensor:
        """Return all blocks' images: real ones are different ones; noise is each block's own."""
        if self.method.initial == "real":
            return super().initial(train, budget, seed)
        seeds = [seed, *(derive(seed, "block", size) for size in self.stages.sizes[:-1])]
        blocks = zip(self.stages.blocks, seeds, strict=True)
        how = self.method.initial
        return torch.cat([initial_images(train, size, how, seed=own) for size, own in blocks], 1)

    @property
    def alike(self) -> int:
        """Outer steps of the shortest stage: each has inner batches of its own shape."""
        return min(self.stages.steps)

    @property
    def learning(self) -> slice:
        """The places of the images that learn: of all so far, or the new block's where others are frozen."""
        return slice(0 if self.method.beta else self.earlier, self.size)

    def shown(self, learning: Tensor, whole: Tensor) -> Tensor:
        """Return the frozen blocks with what learns behind them."""
        return torch.cat([whole[:, : self.learning.start], learning], 1)

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, the first of a stage with a new block."""
        if self.grow():
            self._join()
        return {**super().step(), "images_per_class": float(self.size)}

    def _join(self) -> None:
        """Let the new block's Adam begin, and that of the earlier ones unless their moments are kept."""
        first = self.stage if self.method.keep_moments else 0
        self.began[first : self.stage + 1] = self.applied
        if not self.method.keep_moments:
            for state in (self.image_state, self.label_state):
                state[1:] = 0

    @property
    def age(self) -> Tensor:
        """Meta-gradients applied in this stage: the average norm of a set of another size is no measure."""
        return self.applied - self.began[self.stage]

    def updated(self, state: Tensor, gradient: Tensor, finite: Tensor) -> Tensor:
        """Take Adam's step, of earlier blocks `beta` times as long: it would not notice a scaled gradient."""
        rule, after, first = self.optimiser, state.clone(), self.learning.start
        cells, moves = after.view(len(state), *self.images.shape[:2], -1), gradient.flatten(2)
        for stage in range(self.stage if first else 0, self.stage + 1):
            places = self.stages.places(stage)
            own, move = cells[:, :, places], moves[:, places.start - first : places.stop - first]
            rate = rule.lr if stage == self.stage else self.method.beta * rule.lr
            moved = rule.update(own, move, rate, rule.corrections(self.applied - self.began[stage]))
            cells[:, :, places] = torch.where(finite, moved, own)
        return after


METHOD = BoostedRaTBPTT
