"""Boosted distillation: a set that grows block by block, so that each stage's set is a prefix of the next.

Boost-DD: Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", arXiv 2311.07025.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod, Stateful
from suite.core.spec import Budget, Examples

Block = int | tuple[int, ...]
"""Images per class added by a stage: one size for all stages, or one per stage."""


@dataclass(frozen=True)
class Stages:
    """The stages of a run. blocks: images per class added by each; steps: outer steps of each."""

    blocks: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Images per class at the end of each stage."""
        return tuple(accumulate(self.blocks))

    @property
    def ends(self) -> tuple[int, ...]:
        """Outer steps taken by the end of each stage."""
        return tuple(accumulate(self.steps))


def check_boosting(block: Block, beta: float, steps: int, stage_steps: tuple[int, ...] | None) -> None:
    """Raise ValueError for a beta outside [0, 1], an empty block, or steps that do not add up."""
    if not 0 <= beta <= 1:
        raise ValueError(f"beta {beta} must lie between 0 (earlier blocks frozen) and 1 (joint growth)")
    sizes = (block,) if isinstance(block, int) else block
    if not sizes or min(sizes) < 1:
        raise ValueError(f"block {_shown(block)}: every stage adds at least 1 image per class")
    if stage_steps is None:
        return
    if not stage_steps or min(stage_steps) < 1:
        raise ValueError(f"stage_steps {list(stage_steps)}: every stage takes at least 1 outer step")
    if sum(stage_steps) != steps:
        raise ValueError(
            f"stage_steps {list(stage_steps)} are {sum(stage_steps)} in all, and steps is {steps}; "
            "make them agree"
        )


def with_frozen(frozen: tuple[Tensor, Tensor], learned: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return images and labels (classes, n, …): in each class the frozen ones, then the learned ones."""
    return torch.cat([frozen[0], learned[0]], 1), torch.cat([frozen[1], learned[1]], 1)


def stages(ipc: int, block: Block, steps: int, stage_steps: tuple[int, ...] | None) -> Stages:
    """Return the stages up to `ipc` images per class; raises ValueError if no number of blocks gives `ipc`.

    Without `stage_steps`, `steps` are split evenly and the first stages take the remainder. Larger blocks get
    no more steps, since an outer step updates all learned images at once.
    """
    blocks = (block,) * (ipc // block) if isinstance(block, int) else block
    if sum(blocks) != ipc:
        raise ValueError(f"ipc {ipc} is not a sum of blocks of {_shown(block)}; change block or ipc")
    if stage_steps is None:
        share, rest = divmod(steps, len(blocks))
        stage_steps = tuple(share + (stage < rest) for stage in range(len(blocks)))
    if len(stage_steps) != len(blocks):
        raise ValueError(f"stage_steps {list(stage_steps)}: ipc {ipc} takes {len(blocks)} stages")
    if not all(stage_steps):
        raise ValueError(f"steps {steps} are too few for {len(blocks)} stages; raise steps")
    return Stages(blocks, stage_steps)


class Boosted(BaseMethod):
    """A mixin for methods that learn in stages; a subclass declares these fields."""

    steps: int
    block: Block
    beta: float
    stage_steps: tuple[int, ...] | None

    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_boosting(self.block, self.beta, self.steps, self.stage_steps)

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a budget that is not a sum of blocks."""
        super().check(train, budget)
        self.stages(budget.ipc)

    def stages(self, ipc: int) -> Stages:
        """Return the stages up to `ipc` images per class; raises ValueError if no blocks add up to it."""
        return stages(ipc, self.block, self.steps, self.stage_steps)


class Growth(Stateful):
    """The progress of a distiller through its stages."""

    def __init__(self, stages: Stages) -> None:
        self.stages = stages
        self.stage = 0
        self.step_in_stage = 0  # outer steps taken in this stage

    def advance(self) -> bool:
        """Count the next outer step; return whether it begins a new stage."""
        begins = self.step_in_stage == self.stages.steps[self.stage]
        if begins:
            self.stage, self.step_in_stage = self.stage + 1, 0
        self.step_in_stage += 1
        return begins

    @property
    def size(self) -> int:
        """Images per class of all stages so far."""
        return self.stages.sizes[self.stage]

    @property
    def earlier(self) -> int:
        """Images per class of the earlier stages."""
        return self.size - self.stages.blocks[self.stage]

    @contextmanager
    def updating(self, images: Tensor, beta: float) -> Iterator[None]:
        """Reduce the updates of `images` (classes, ipc, …) inside to the share `beta` in earlier stages."""
        earlier = images.detach()[:, : self.earlier]
        before = earlier.clone()
        yield
        earlier.copy_(torch.lerp(before, earlier, beta))

    @property
    def milestones(self) -> tuple[int, ...]:
        """Outer steps that end a stage, without the last stage."""
        return self.stages.ends[:-1]


class BoostedDistiller(BaseDistiller):
    """A distiller that learns in stages; a subclass sets its growth."""

    growth: Growth

    @property
    def milestones(self) -> tuple[int, ...]:
        """Outer steps that end a stage, without the last stage."""
        return self.growth.milestones


def _shown(block: Block) -> str:
    return str(block) if isinstance(block, int) else str(list(block))
