"""DELT: real images of medium difficulty, optimised for different numbers of steps.

Shen et al., "DELT: a simple diversity-driven EarlyLate training for dataset distillation", CVPR 2025, arXiv
2411.19946. Images start from the real ones to whose class the teacher gives a medium probability. The steps
are divided into rounds; each round adds images of every class, so that early images are optimised in all
rounds and late ones in the last only. Views, loss and schedules are CDA's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.limits import at_least_one, check_enough_real
from suite.core.spec import ANY_SIZE, Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.plugins.methods.cda import CDA, CDADistiller
from suite.plugins.methods.sre2l import FAMILIES


@dataclass(frozen=True)
class DELT(CDA):
    """Recover images from real ones of medium difficulty; early ones take more steps than late ones."""

    steps: int = 4000  # of the earliest images
    jitter: int = 0
    round_steps: int = 500  # steps of a round, after which further images join; the last may be shorter

    title: ClassVar[str] = "DELT: early and late training of real images"
    paper: ClassVar[str] = "arXiv 2411.19946"
    recipe: ClassVar[str] = "delt-300"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}
    smoke: ClassVar[Mapping[str, Any]] = {**CDA.smoke, "round_steps": 2}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ANY_SIZE): {} for family in FAMILIES
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "round_steps")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a class with too few real images."""
        super().check(train, budget)
        check_enough_real(train, budget)

    def joined(self, ipc: int, step: int) -> int:
        """Return how many of the `ipc` images of a class are optimised in outer step `step`, from 0."""
        rounds, now = -(-self.steps // self.round_steps), step // self.round_steps + 1
        return ipc // rounds * now + min(now, ipc % rounds)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the teacher, or train it, and start from real images."""
        return DELTDistiller(self, train, budget, seed)


class DELTDistiller(CDADistiller):
    """One run of DELT."""

    method: DELT

    def first_images(self, seed: int) -> Tensor:
        """Return the real images of medium difficulty; the first of a class is the one in the middle."""
        (net,), (teacher,) = self.known.networks, self.known.teachers
        logits = map_batches(partial(net.logits, teacher.parameters), self.train.images)
        scores = logits.softmax(1)
        chosen = [medium(scores[rows, label], self.ipc) for label, rows in enumerate(self.train.by_class())]
        rows = [own[places] for own, places in zip(self.train.by_class(), chosen, strict=True)]
        return self.train.images[torch.stack(rows)].clone()

    def batches(self) -> Sequence[Tensor]:
        """Return the rows of each batch: all images of some classes that have joined."""
        count = self.method.joined(self.ipc, self.step_count)
        places = torch.arange(self.train.classes * self.ipc).view(self.train.classes, self.ipc)
        classes = max(1, self.method.batch // self.ipc)
        return [part.flatten() for part in places[:, :count].split(classes)]


def medium(scores: Tensor, count: int) -> Tensor:
    """Return the places (count,) of scores (n,) around the middle one of their order, nearest first.

    The middle is at ceil(n / 2), then come the next larger, the next smaller, and so on; where one side has
    no more, the other one goes on.
    """
    order, middle = scores.argsort(stable=True), -(-len(scores) // 2)
    away = torch.arange(len(scores), device=scores.device) - middle
    nearest = (2 * away.abs() - (away > 0).long()).argsort(stable=True)
    return order[nearest[:count]]


METHOD = DELT
