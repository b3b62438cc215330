"""Boosted distillation: a set that grows block by block, so that each stage's set is a prefix of the next.

Boost-DD in Feng, Vedantam and Kempe, "Embarrassingly simple dataset distillation", arXiv 2311.07025.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from suite.core.distilling.base import BaseMethod
from suite.core.spec import Budget, Examples

Block = int | tuple[int, ...]
"""Images per class that the stages add: one size for all of them, or one for each."""


@dataclass(frozen=True)
class Stages:
    """What joins when. blocks: images per class that each stage adds; steps: its outer steps."""

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

    def places(self, stage: int) -> slice:
        """Return where the images of a stage's block stand in each class."""
        end = self.sizes[stage]
        return slice(end - self.blocks[stage], end)


def check_boosting(block: Block, beta: float, steps: int, stage_steps: tuple[int, ...] | None) -> None:
    """Raise ValueError for a β outside [0, 1], an empty block, and steps that do not add up."""
    if not 0 <= beta <= 1:
        raise ValueError(f"beta {beta} must lie between 0 (earlier blocks frozen) and 1 (joint growth)")
    if not (sizes := _tuple(block)) or min(sizes) < 1:
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


def stages(ipc: int, block: Block, steps: int, stage_steps: tuple[int, ...] | None) -> Stages:
    """Return the stages that lead to `ipc` images per class; raises ValueError where blocks don't add up.

    Without `stage_steps` each stage takes an equal part of `steps`, and the first ones what is left
    over: every outer step moves every image that learns, so a larger block needs no more of them.
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
    """What a method in stages adds to the one that it extends: fields of these names, and their checks."""

    steps: int
    block: Block
    beta: float
    stage_steps: tuple[int, ...] | None

    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_boosting(self.block, self.beta, self.steps, self.stage_steps)

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a budget that the blocks do not add up to."""
        super().check(train, budget)
        stages(budget.ipc, self.block, self.steps, self.stage_steps)


class Growing:
    """Of a distiller whose set grows: where it is. A run sets the three attributes, 0 where a number."""

    stages: Stages
    stage: int  # from 0
    within: int  # outer steps taken in this stage

    def grow(self) -> bool:
        """Count an outer step that is about to be taken; return whether it begins a further stage."""
        begins = self.within == self.stages.steps[self.stage]
        self.stage, self.within = (self.stage + 1, 1) if begins else (self.stage, self.within + 1)
        return begins

    @property
    def size(self) -> int:
        """Images per class so far."""
        return self.stages.sizes[self.stage]

    @property
    def earlier(self) -> int:
        """Images per class of the earlier stages."""
        return self.size - self.stages.blocks[self.stage]

    @property
    def milestones(self) -> tuple[int, ...]:
        """Outer steps after which a stage's set is done, but for the last stage."""
        return self.stages.ends[:-1]


def _tuple(block: Block) -> tuple[int, ...]:
    return (block,) if isinstance(block, int) else block


def _shown(block: Block) -> str:
    return str(block) if isinstance(block, int) else str(list(block))
