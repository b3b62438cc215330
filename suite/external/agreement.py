"""Test the labels of a set against train: do its images look like their classes?

Each image gets two guesses: the class of the train image, and that of the class mean, with which its pixels
correlate most. A label agrees if it is one of them. The first guess knows copies of train images, whatever
they look like; the second one images that are far from all others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import binom
from torch import Tensor

from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Task

LEVEL = 0.01
"""Level of both tests: chance explains the agreement, and labels that are right do."""

_IMAGES, _PROBES = 500, 500
_BYTES = 6 * 2**30  # of train images to compare with
_CHUNK, _DRAWS = 4096, 200


@dataclass(frozen=True)
class Agreement:
    """How many labels agree with train.

    count: tested images; agreeing: of them; chance: the expected share for labels that have nothing to do
    with the images; usual: the share of train images whose label agrees, found without themselves; moved: how
    many more images agree with the first guess after the best exchange of classes; tolerated: the most that
    was seen for as many train images, and 2% of the images; best: the class that each class becomes by it.
    """

    count: int
    agreeing: int
    chance: float
    usual: float
    moved: int
    tolerated: int
    best: tuple[int, ...]

    @property
    def by_chance(self) -> bool:
        """Whether labels at random would agree as often."""
        return bool(binom.sf(self.agreeing - 1, self.count, self.chance) > LEVEL)

    @property
    def wrong(self) -> bool:
        """Whether right labels would agree more often, while labels at random would not agree less."""
        return self.by_chance and bool(binom.cdf(self.agreeing, self.count, self.usual) <= LEVEL)

    @property
    def permuted(self) -> bool:
        """Whether an exchange of classes explains the labels, and gains more than for train images.

        Labels that agree as often as train's own are right: similar images of a class may all have a nearest
        train image of another class.
        """
        expected = self.usual * self.count
        explained = self.agreeing < expected and self.agreeing + self.moved >= expected / 2
        return explained and self.moved > self.tolerated

    @property
    def measured(self) -> str:
        """The agreement in words."""
        return (
            f"{self.agreeing} of {self.count} labels agree with the nearest train image or class mean "
            f"(by chance {self.chance * self.count:.0f}; of train's own labels {100 * self.usual:.0f}%)"
        )


def check(synthetic: SyntheticSet, task: Task, *, trusted: bool = False) -> str:
    """Return the agreement with train in one line; raises ValueError for wrong or permuted labels.

    trusted: say it without refusing. The set is preprocessed as the task's.
    """
    found = measure(synthetic, task.train)
    doubt = _doubt(found, task.class_names)
    if doubt and not trusted:
        raise ValueError(
            f"{doubt}; correct the labels or the order of classes, or say --trust-labels if they are right"
        )
    if doubt:
        return f"labels: {doubt}, but are trusted"
    unsure = "; these are too few images to tell whether labels are right" if found.by_chance else ""
    return f"labels: {found.measured}{unsure}"


def measure(synthetic: SyntheticSet, train: Examples) -> Agreement:
    """Compare at most 500 images of a set, evenly over its classes, with train."""
    images, targets = synthetic.flat()
    rows = torch.linspace(0, len(images) - 1, min(len(images), _IMAGES)).round().long()
    rng = generator(0, "agreement")
    most = max(1000, _BYTES // (4 * train.images[0].numel()))
    compared = torch.arange(0, len(train), -(-len(train) // most))
    probes = compared[torch.randperm(len(compared), generator=rng)[:_PROBES]]
    own, labels = targets[rows].argmax(1), train.labels[probes]
    # A train image is compared with all others.
    without = torch.cat([torch.full((len(rows),), -1), probes])
    both = torch.cat([images[rows], train.images[probes]])
    guesses, real = _guesses(both, train, compared, without).split([len(rows), len(probes)], dim=1)
    distinct = 2 - (guesses[0] == guesses[1]).double()
    moved, best = _exchange(own, guesses[0], train.classes)
    draws = [torch.randperm(len(probes), generator=rng)[: len(rows)] for _ in range(_DRAWS)]
    seen = max(_exchange(labels[draw], real[0][draw], train.classes)[0] for draw in draws)
    return Agreement(
        count=len(rows),
        agreeing=int((guesses == own).any(0).sum()),
        chance=float(distinct.mean()) / train.classes,
        usual=float((real == labels).any(0).double().mean()),
        moved=moved,
        tolerated=seen + max(1, len(rows) // 50),
        best=best,
    )


def _doubt(found: Agreement, names: tuple[str, ...]) -> str:
    if found.permuted:
        taken = [(names[label], names[other]) for label, other in enumerate(found.best) if label != other]
        some = ", ".join(f"{label!r} as {other!r}" for label, other in taken[:3]) + ", …" * (len(taken) > 3)
        return (
            f"the labels look permuted: {found.measured}, and {found.moved} more agree with the nearest "
            f"train image after an exchange of classes ({some})"
        )
    return f"the labels look wrong: {found.measured}" if found.wrong else ""


def unit(images: Tensor) -> Tensor:
    """Return images as rows (n, d) of mean 0 and norm 1: their products are correlations."""
    rows = images.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / norms.clamp(min=1e-12)


def _guesses(images: Tensor, train: Examples, compared: Tensor, without: Tensor) -> Tensor:
    """Return the classes (2, n) of the train image and of the class mean with which images correlate most.

    compared: the rows of train to compare with, read once; without: the row to leave out for each image.
    """
    rows, sums = unit(images), torch.zeros(train.classes, images[0].numel())
    best, nearest = torch.full((len(rows),), -2.0), torch.zeros(len(rows), dtype=torch.int64)
    for at in compared.split(_CHUNK):
        real, labels = unit(train.images[at]), train.labels[at]
        sums.index_add_(0, labels, real)
        products = rows @ real.T
        products[without[:, None] == at] = -2.0
        high, place = products.max(1)
        nearest, best = torch.where(high > best, labels[place], nearest), torch.maximum(best, high)
    return torch.stack([nearest, (rows @ unit(sums).T).argmax(1)])


def _exchange(labels: Tensor, guesses: Tensor, classes: int) -> tuple[int, tuple[int, ...]]:
    """Return how many more labels equal their guess after the best exchange of classes, and the exchange."""
    counts: Any = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels.numpy(), guesses.numpy()), 1)
    # A little in favour of the labels as they are, where exchanges change nothing.
    _, best = linear_sum_assignment(counts + np.eye(classes) / (2 * classes), maximize=True)
    return int(counts[np.arange(classes), best].sum() - np.trace(counts)), tuple(map(int, best))
