"""Which images of a set are copies of real ones, and how near the set is to train and to test."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.auditing.measures import auc
from suite.core.auditing.neighbours import Neighbours, neighbours
from suite.core.execution.transfer import send
from suite.core.seeding import generator

PROBES = 500
"""Train images, drawn once for all sets, by which the usual distance of neighbours is measured."""

Pixels = Callable[[Tensor], Tensor]
"""Maps preprocessed images (n, channels, height, width) to pixels in [0, 1]."""


@dataclass(frozen=True)
class Copies:
    """What a set has of train and of test. Distances are root mean squares of the differences of pixels.

    train: the nearest train image of each of its images; usual (q,): the distance of that one to its nearest
    other train image; of_train: share of its images that are at most as far from a train image as that one is
    from its nearest other; of_test: share that are nearer to a test image than that one is to all of train;
    covered: share of test images that are at most as far from the set as the median train image is from its
    nearest other; told: the AUC of telling the train images nearest to the set, as many as it has images,
    from the same share of test images, by their distance to the set.
    """

    train: Neighbours
    usual: Tensor
    of_train: float
    of_test: float
    covered: float
    told: float


def nearest_train(images: Tensor, train: Tensor, invert: Pixels) -> tuple[Neighbours, Tensor]:
    """Return the train images nearest to images (q, …) in pixels, and how far these are from other ones (q,).

    train: preprocessed images (n, …).
    """
    found = neighbours(images, train, invert)
    own = neighbours(invert(train[found.rows]), train, invert, without=found.rows)
    return found, own.distances


def copies(images: Tensor, train: Tensor, test: Tensor, invert: Pixels) -> Copies:
    """Compare the images of a set (q, channels, height, width) with train (n, …) and test (m, …)."""
    pixels = invert(images)
    to_train, to_test = (neighbours(pixels, real, invert) for real in (train, test))
    drawn = torch.randperm(len(train), generator=generator(0, "usual distance"))[:PROBES]
    (probes,) = send([drawn], train.device)
    # In one pass, since undoing a whitening of all of train takes minutes.
    real = torch.cat([train[to_train.rows], test[to_test.rows], train[probes]])
    without = torch.cat([to_train.rows, torch.full_like(to_test.rows, -1), probes])
    around = neighbours(invert(real), train, invert, without).distances
    usual, of_test, between = around.split([len(pixels), len(pixels), len(probes)])
    count = min(len(images), len(train))
    members = to_train.back.topk(count, largest=False).values
    others = to_test.back.topk(max(1, round(count * len(test) / len(train))), largest=False).values
    return Copies(
        train=to_train,
        usual=usual,
        of_train=_share(to_train.distances <= usual),
        of_test=_share(to_test.distances < of_test),
        covered=_share(to_test.back <= between.median()),
        told=auc(-members, -others),
    )


def _share(whether: Tensor) -> float:
    return float(whether.double().mean())
