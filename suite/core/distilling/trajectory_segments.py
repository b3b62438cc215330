"""Segments of expert trajectories that students match; each outer step draws one segment."""

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.distilling.experts import Experts


@dataclass(frozen=True)
class TrajectorySegments:
    """Segments of `length` epochs that start at or after epoch `first` and before epoch `end`.

    From MTT, arXiv 2203.11932. early: the bound `end` in the first outer step; it rises linearly to `end`
    over `growth` steps (DATM, arXiv 2310.05773). None: `end` from the first step on.
    """

    length: int
    first: int
    end: int
    early: int | None = None
    growth: int = 1

    def check(self, epochs: int) -> None:
        """Raise ValueError if no start epoch is possible, or experts of `epochs` are too short."""
        early = self.end if self.early is None else self.early
        if not 0 <= self.first < early <= self.end:
            raise ValueError(
                f"segments start from epoch {self.first} on, at first before {early}, later before"
                f" {self.end}; raise the bound that leaves no epoch"
            )
        last = self.end - 1 + self.length
        if last > epochs:
            raise ValueError(
                f"a segment may end at epoch {last} = max_start_epoch {self.end} - 1 + expert_epochs"
                f" {self.length}, but experts have {epochs}; raise trained_epochs"
            )

    def before(self, step: int) -> int:
        """Return the upper bound of start epochs in outer step `step`, counted from 0."""
        if self.early is None:
            return self.end
        return min(self.early + (self.end - self.early) * step // self.growth, self.end)

    def sample(self, known: Experts, step: int, rng: torch.Generator) -> tuple[Tensor, Tensor, int]:
        """Draw an expert and an epoch; return its parameters (size,) there and at the segment's end."""
        expert = int(torch.randint(len(known.trajectories), (), generator=rng))
        epoch = int(torch.randint(self.first, self.before(step), (), generator=rng))
        path = known.trajectories[expert]
        return path[epoch], path[epoch + self.length], epoch
