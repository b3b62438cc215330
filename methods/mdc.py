"""MDC: IDC with a second loss for a prefix of the set, so that every prefix is a useful set.

He et al., "Multisize dataset condensation", ICLR 2024, arXiv 2403.06075. The gradients of one prefix, the
most learnable one, are matched beside those of the whole set. After every `choose_every` networks it is
chosen again: the one whose distance from real images, in mean features, has changed most since the last
choice. The prefix that was chosen before is then frozen, as long as a larger one is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import Stateful
from suite.core.distilling.by_class.formations import Match
from suite.core.distilling.matching import class_means
from suite.core.limits import at_least_one
from suite.core.spec import ANY_SIZE, Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.plugins.methods.idc import IDC, IDCDistiller


@dataclass(frozen=True)
class MDC(IDC):
    """Match class-wise gradients of the whole set, and of the prefix that changes most."""

    choose_every: int = 100  # networks between two choices of the prefix; the first follows the first network

    title: ClassVar[str] = "MDC: multisize dataset condensation"
    paper: ClassVar[str] = "arXiv 2403.06075"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}
    ordered: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {**IDC.smoke, "choose_every": 1}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("svhn", ANY_SIZE): {"network_images": 500}
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "choose_every")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a set of one image per class, which has no smaller prefix."""
        super().check(train, budget)
        if budget.ipc < 2:
            raise ValueError(f"ipc {budget.ipc}: this set has no smaller prefix; use idc, or raise ipc")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side."""
        return MDCDistiller(self, train, budget, seed)


class Prefixes(Stateful):
    """Which prefix of a set of `ipc` stored images per class is matched, and which are frozen.

    All is on the device of `like`, and nothing waits for it.
    """

    def __init__(self, ipc: int, like: Tensor) -> None:
        self.choices = 0
        self.sizes = torch.arange(1, ipc, device=like.device)
        self.chosen = self.sizes.new_zeros(())  # 0 before the first choice
        self.left = torch.zeros_like(self.sizes, dtype=torch.bool)  # chosen before, and then not again
        self.distances = like.new_zeros(len(self.sizes))  # at the last choice

    def choose(self, distances: Tensor) -> None:
        """Choose by the distances (ipc - 1,) of all prefixes from real images: size 1 at first."""
        changes = (distances - self.distances).abs()
        best = changes.argmax() + 1 if self.choices else torch.ones_like(self.chosen)
        self.left = self.left | ((self.sizes == self.chosen) & (best != self.chosen))
        self.chosen, self.distances, self.choices = best, distances, self.choices + 1

    def frozen(self) -> Tensor:
        """Return the size of the frozen prefix, the largest one left below the chosen one; 0 for none."""
        return torch.where(self.left & (self.sizes < self.chosen), self.sizes, 0).amax()


def shares(positions: Tensor, size: Tensor) -> Tensor:
    """Return the weights (…, n) of the mean of a prefix.

    positions: (…, n) the stored image of each image, counted from 0; size: stored images of the prefix.
    """
    inside = positions < size
    return inside / inside.sum(-1, keepdim=True).clamp(min=1)


class MDCDistiller(IDCDistiller):
    """One run of MDC."""

    method: MDC

    def __init__(self, method: MDC, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.prefixes = Prefixes(budget.ipc, self.pixels.detach())
        self.added = torch.zeros_like(self.prefixes.distances)  # distances in this network, over its updates

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once, then train the network on real ones."""
        return {**super().step(), "prefix": self.prefixes.chosen, "frozen": self.prefixes.frozen()}

    def update(self, match: Match, *given: Tensor) -> Tensor:
        """Update the pixels once; at the end of some networks, choose the prefix again."""
        number = self.step_count // self.method.network_steps + 1
        chooses = number == 1 or number % self.method.choose_every == 0
        positions = self._positions(match)
        if chooses:
            self.added += self._distances(match, positions, *given)
        others = (shares(positions, self.prefixes.chosen),) if self.prefixes.choices else ()
        loss = super().update(match, *given, *others)
        if chooses and self.step_count % self.method.network_steps == 0:
            self.prefixes.choose(self.added / self.method.network_steps)
            self.added = torch.zeros_like(self.added)
        return loss

    def learned(self) -> Tensor:
        """Return the pixels; the loss does not change frozen ones."""
        numbers = torch.arange(self.pixels.shape[1], device=self.pixels.device)
        free = (numbers >= self.prefixes.frozen())[:, None, None, None]
        return torch.where(free, self.pixels, self.pixels.detach())

    def _positions(self, match: Match) -> Tensor:
        """Return the stored image (classes, n) of each synthetic image of an update."""
        parts = self.method.factor**2
        rows = match.synthetic.view(len(self.pixels), -1)
        return rows % (self.pixels.shape[1] * parts) // parts

    @torch.no_grad()
    def _distances(self, match: Match, positions: Tensor, parameters: Tensor) -> Tensor:
        """Return the squared distance (ipc - 1,) of each prefix's mean features, a mean over classes."""
        real, synthetic = self.augmented(match)
        features = partial(self.network.features, parameters)
        (target,) = class_means(lambda images: [features(images)], real, self.real.weights)
        weights = shares(positions, self.prefixes.sizes[:, None, None]).to(target)
        found = torch.einsum("kcn,cnd->kcd", weights, map_batches(features, synthetic))
        return (found - target).square().sum(2).mean(1)


METHOD = MDC
