"""CCS: real images of each class from all strata of difficulty, without the hardest ones.

Zheng et al., "Coverage-centric coreset selection for high pruning rates", ICLR 2023, arXiv 2210.15809.
The score of an image is AUM, the area under its margin: the probability of its class minus that of the most
likely other class, summed over the epochs in which a network trains. The share `cutoff` of the images, those
of the smallest AUM, is left out, since many of them are mislabelled. The others fall into `strata` of equal
width in AUM. The budget is divided evenly over the strata, from the smallest to the largest; what a small one
cannot give goes to the larger ones. Images of a stratum are drawn at random.
The authors apply this to all images at once, without balancing classes, and keep a tenth of train or more.
Here it is applied to each class, at every size. With fewer images per class than strata it takes one image
from each of the fullest strata: at 1 image per class a random image of the fullest stratum, at 10 one of each
of the ten fullest. A smaller set is no prefix of a larger one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import TrainedSelection
from suite.core.execution.transfer import send
from suite.core.limits import at_least_one
from suite.core.seeding import generator
from suite.core.spec import ANY_SIZE, UNPUBLISHED, Budget, Choice, Examples, LogUniform
from suite.core.training.cached import cached_training
from suite.core.training.recipes import recipe_on_real


@dataclass(frozen=True)
class CCS(TrainedSelection):
    """Select real images from all strata of the area under the margin, without the smallest areas."""

    cutoff: float = 0.3  # share of each class's images, those of the smallest AUM, that is left out
    strata: int = 50

    title: ClassVar[str] = "CCS: real images from all strata of difficulty"
    paper: ClassVar[str] = "arXiv 2210.15809"
    ordered: ClassVar[bool] = False
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 2, "network": "convnet-d1-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"cutoff": Choice((0.0, 0.1, 0.3, 0.5))}
    # The paper's table of cutoffs for AUM: these sizes are 30, 50, 70, 80 and 90% of CIFAR-10 pruned.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", ipc): {"cutoff": cutoff, "epochs": 200}
        for ipc, cutoff in ((3500, 0.0), (2500, 0.0), (1500, 0.1), (1000, 0.1), (500, 0.3))
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {("cifar10", ANY_SIZE): UNPUBLISHED}

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "strata")
        if not 0 <= self.cutoff < 1:
            raise ValueError(f"cutoff {self.cutoff} must be at least 0 and below 1")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a cutoff that leaves too few images of a class."""
        super().check(train, budget)
        smallest = min(train.counts())
        if (left := smallest - int(self.cutoff * smallest)) < budget.ipc:
            raise ValueError(
                f"cutoff {self.cutoff} leaves {left} of {smallest} images of the smallest class, fewer than "
                f"ipc {budget.ipc}; lower it"
            )

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the selected images, and the seconds of cached training that are charged to this run."""
        how = [self.network, asdict(recipe_on_real(self.training)), self.epochs, seed]
        areas, seconds = cached_training("margins", train, how, lambda: self._areas(train, seed))
        areas, rng = areas.cpu(), generator(seed, "strata")
        chosen = []
        for rows in train.rows_by_class():
            kept = rows[areas[rows].argsort(stable=True)[int(self.cutoff * len(rows)) :]]
            chosen.append(kept[stratified(areas[kept], ipc, self.strata, rng)])
        return send(chosen, train.labels.device), seconds

    def _areas(self, train: Examples, seed: int) -> Tensor:
        """Return the area under the margin of each image (n,) while a fresh network trains."""
        areas = train.images.new_zeros(len(train))
        for rows, logits in self.watched(train, seed=seed):
            areas[rows] += margins(logits, train.labels[rows])
        return areas


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the probability of each label (n,) minus that of the most likely other class."""
    probabilities, own = logits.softmax(1), labels[:, None]
    return probabilities.gather(1, own)[:, 0] - probabilities.scatter(1, own, -1.0).amax(1)


def stratified(scores: Tensor, count: int, strata: int, rng: torch.Generator) -> Tensor:
    """Draw rows (count,) of scores (n,) from strata of equal width, as evenly as their sizes allow."""
    low, high = scores.aminmax()
    width = ((high - low) / strata).clamp(min=torch.finfo(scores.dtype).tiny)
    stratum = ((scores - low) / width).long().clamp(max=strata - 1)
    shares = shared(stratum.bincount(minlength=strata), count)
    order = torch.randperm(len(scores), generator=rng)
    parts = [order[stratum[order] == number][:share] for number, share in enumerate(shares)]
    return torch.cat(parts)


def shared(sizes: Tensor, count: int) -> list[int]:
    """Divide `count` over strata of these sizes (strata,): smallest first, equal ones in their order."""
    shares, left = [0] * len(sizes), count
    for done, number in enumerate(sizes.argsort(stable=True).tolist()):
        shares[number] = min(int(sizes[number]), left // (len(sizes) - done))
        left -= shares[number]
    return shares


METHOD = CCS
