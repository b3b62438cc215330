"""Boosted RaT-BPTT (Boost-DD): build a set block by block, so that every prefix is a useful set.

Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", ICLR 2024, arXiv 2311.07025. Each
stage adds a block of images per class. Inner networks train on all blocks so far. The new block learns;
earlier blocks learn at `beta` times its rate, and 0 (strong boosting) freezes them.
No code was published. Details that the paper does not give are options here, or have a comment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.boosting import Block, Boosted, BoostedDistiller, Growth, Stages
from suite.core.distilling.initial_images import initial_images
from suite.core.distilling.meta_learning import LearnedSet
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.rat_bptt import ImageMetaLearner, RaTBPTT, borrowed


@dataclass(frozen=True)
class BoostedRaTBPTT(Boosted, RaTBPTT):
    """RaT-BPTT in stages: each stage adds a block, and inner networks train on all blocks so far."""

    block: Block = 5  # images per class of each stage; or a tuple, one size for each
    beta: float = 0.0  # share of outer_lr at which earlier blocks learn; 0 freezes them
    stage_steps: tuple[int, ...] | None = None  # outer steps of each stage; None splits `steps` evenly
    # Fresh moments would move every pixel of earlier blocks by a full step when a stage begins.
    keep_moments: bool = True

    title: ClassVar[str] = "Boosted RaT-BPTT (Boost-DD): a set built block by block"
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = borrowed("the settings of rat_bptt")
    smoke: ClassVar[Mapping[str, Any]] = {**RaTBPTT.smoke, "block": 1, "beta": 0.1, "steps": 4}

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the first block; the initial images of later blocks are drawn in the same way."""
        return BoostedRaTBPTTDistiller(self, train, budget, seed)


class BoostedRaTBPTTDistiller(BoostedDistiller, ImageMetaLearner):
    """One run of boosted RaT-BPTT; it holds the blocks of all stages, and later blocks are not used yet."""

    method: BoostedRaTBPTT

    def __init__(self, method: BoostedRaTBPTT, train: Examples, budget: Budget, seed: int) -> None:
        planned = method.stages(budget.ipc)
        super().__init__(method, train, budget.ipc, seed, steps_of_one_shape=min(planned.steps))
        self.growth = Growth(planned)
        blocks = initial_blocks(method, train, planned, seed)
        self.blocks = tuple(LearnedSet(images, method.outer_lr) for images in blocks)

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step; begin a new stage first if it is due."""
        if self.growth.advance():
            self._begin_stage()
        beta = self.method.beta
        *earlier, new = self.blocks[: self.growth.stage + 1]
        trainable, frozen = ([*earlier, new], []) if beta else ([new], earlier)
        window = self.next_window()
        found = self.gradient_of(*joined(trainable), window, frozen=joined(frozen) if frozen else None)
        (of_images, *of_labels), finite = found.gradients, found.finite
        norm = of_images.norm()
        clipped = self.clip(of_images, norm, finite)
        sizes = [block.images.value.shape[1] for block in trainable]
        gradients = zip(*(part.split(sizes, 1) for part in (clipped, *of_labels)), strict=True)
        for block, own in zip(trainable, gradients, strict=True):
            # Scale the rate, because Adam does not depend on the gradient's scale.
            block.step(own, finite, lr_share=1.0 if block is new else beta)
        return {**self.report(norm, finite), "images_per_class": float(self.growth.size)}

    def _begin_stage(self) -> None:
        """Restart the average norm, which depends on the set's size; reset the moments unless kept."""
        self.clip.restart()
        if not self.method.keep_moments:
            for block in self.blocks:
                block.images.restart()
                block.labels.restart()

    def synthetic(self) -> SyntheticSet:
        """Return the blocks of the stages so far."""
        images, labels = joined(self.blocks[: self.growth.stage + 1])
        return SyntheticSet(images, labels, self.training.minibatch.within(*images.shape[:2]))


def initial_blocks(method: BoostedRaTBPTT, train: Examples, planned: Stages, seed: int) -> Sequence[Tensor]:
    """Return images (classes, ipc, …) for each block: parts of one choice of real ones, or separate noise."""
    if method.initial == "real":
        real = initial_images(train, planned.sizes[-1], method.initial, seed=seed)
        return list(torch.split(real, list(planned.blocks), 1))
    seeds = [seed, *(derive(seed, "block", size) for size in planned.sizes[:-1])]
    blocks = zip(planned.blocks, seeds, strict=True)
    return [initial_images(train, size, method.initial, seed=own) for size, own in blocks]


def joined(blocks: Sequence[LearnedSet]) -> tuple[Tensor, Tensor]:
    """Return images (classes, ipc, …) and labels (classes, ipc, classes) of all blocks, joined by class."""
    images, labels = [block.images.value for block in blocks], [block.labels.value for block in blocks]
    return torch.cat(images, 1), torch.cat(labels, 1)


METHOD = BoostedRaTBPTT
