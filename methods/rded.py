"""RDED: the crops of real images that a teacher is surest of, side by side, with the teacher's labels.

Sun et al., "On the diversity and realism of distilled dataset: an efficient dataset distillation paradigm",
CVPR 2024, arXiv 2312.03526. Nothing is optimised. There the teacher labels every augmented image anew while
a network is retrained; a set here is all that an evaluation has, so it stores the teacher's label of each
image as it is, and the recipe `rded-300` softens these, mixing them by area where it mixes images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, log_softmax, pad

from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.limits import at_least_one, check_enough_real
from suite.core.networks.named import STANDARD, Network, network
from suite.core.seeding import generator
from suite.core.sets.parametrisations import check_factor
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.fit import EVALUATION_BATCH
from suite.core.training.pretrained import trained_network
from suite.core.training.recipes import recipe

_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "tiny-imagenet": {"network": "convnet-d4-w128-in"},
    "imagenette-128": {"network": "convnet-d5-w128-in", "factor": 2},
    "imagewoof-128": {"network": "convnet-d5-w128-in", "factor": 2},
}

SCALE = (0.08, 1.0)
"""The least and the largest share of an image's area that a crop takes."""


@dataclass(frozen=True)
class RDED(BaseMethod):
    """Pick real crops by a teacher's cross-entropy, put them together, label them by the teacher."""

    candidates: int = 300  # random real images of each class that are looked at
    crops: int = 5  # of each of them, of which the best is kept
    factor: int = 1  # crops along a side of an image; the authors' 2 from 128 pixels on
    network: str = STANDARD  # the teacher's
    epochs: int = 20  # for which the teacher trains
    training: str = "dc-300"  # the recipe whose optimiser and augmentation train the teacher

    paper: ClassVar[str] = "arXiv 2312.03526"
    recipe: ClassVar[str] = "rded-300"
    smoke: ClassVar[Mapping[str, Any]] = {"candidates": 8, "epochs": 1, "network": "convnet-d1-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "candidates": Choice((100, 300, 1000)),
        "factor": Choice((1, 2)),
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ipc): settings for ipc in (1, 10, 50) for family, settings in _PUBLISHED.items()
    }

    def __post_init__(self) -> None:
        recipe(self.training)
        at_least_one(self, "candidates", "crops", "epochs")

    @property
    def outer_steps(self) -> int:
        """One: the choice."""
        return 1

    def check(self, train: Examples, budget: Budget) -> None:
        """Refuse a factor that does not divide the images, and more crops than there are candidates."""
        super().check(train, budget)
        network(self.network, train.shape, train.classes)
        check_factor(self.factor, *train.shape[1:])
        needed = budget.ipc * self.factor**2
        check_enough_real(train, Budget(needed))
        if needed > self.candidates:
            raise ValueError(f"candidates {self.candidates}: ipc {budget.ipc} takes {needed} of each class")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run of one step: the choice."""
        return _Run(self, train, budget, seed)


class _Run(BaseDistiller):
    def __init__(self, method: RDED, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train, self.budget, self.seed = 1, method, train, budget, seed
        self.network = network(method.network, train.shape, train.classes)
        # Until the step is taken, the first images of each class stand in.
        first = torch.stack([rows[: budget.ipc] for rows in train.by_class()])
        self.images = train.images[first]
        self.labels = one_hot(train.classes, budget.ipc).to(train.images)

    @torch.no_grad()
    def step(self) -> Mapping[str, float]:
        """Choose; name the seconds of training that an earlier trial had paid for."""
        method, started = self.method, perf_counter()
        teacher = trained_network(self.train, method.network, method.training, method.epochs, seed=self.seed)
        borrowed = max(0.0, teacher.seconds - (perf_counter() - started))
        chosen = [self._chosen(label, teacher.parameters) for label in range(self.train.classes)]
        self.images = torch.stack([stitched(patches, method.factor) for patches in chosen])
        scores = _logits(self.network, teacher.parameters, self.images.flatten(0, 1))
        self.labels = scores.softmax(1).unflatten(0, self.images.shape[:2])
        return {"cached_seconds": borrowed}

    def _chosen(self, label: int, teacher: Tensor) -> Tensor:
        """Return the best crop of each of the best images of a class, the best first: (m, channels, h, w)."""
        method, rng = self.method, generator(self.seed, "patches", label)
        rows = self.train.by_class()[label]
        rows = rows[torch.randperm(len(rows), generator=rng)[: method.candidates].to(rows.device)]
        images = self.train.images[rows]
        size = images.shape[2] // method.factor, images.shape[3] // method.factor
        patches = torch.stack([cropped(images, size, rng) for _ in range(method.crops)])
        losses = -log_softmax(_logits(self.network, teacher, padded(patches, self.train.shape)), 1)[:, label]
        least, crop = losses.view(method.crops, -1).min(0)
        best = least.argsort(stable=True)[: self.budget.ipc * method.factor**2]
        return patches[crop[best], best]

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet(self.images.clone(), self.labels.clone())


def cropped(images: Tensor, size: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Return a random crop of each image, of the image's aspect, resized bilinearly to `size`."""
    low, high = SCALE
    uniform = torch.rand(len(images), 3, generator=rng).to(images)
    side = (low + (high - low) * uniform[:, 0]).sqrt()  # as a share of the image's
    centre = (1 - side[:, None]) * (2 * uniform[:, 1:] - 1)  # from -1 to 1 over the image
    zero = torch.zeros_like(side)
    columns = torch.stack([side, zero, centre[:, 1]], 1)
    grid = torch.stack([columns, torch.stack([zero, side, centre[:, 0]], 1)], 1)
    where = affine_grid(grid, [len(images), images.shape[1], *size], align_corners=False)
    return grid_sample(images, where, padding_mode="border", align_corners=False)


def padded(patches: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return patches (…, channels, h, w) in the middle of images of `shape`, zeros around: (n, *shape)."""
    down, right = shape[1] - patches.shape[-2], shape[2] - patches.shape[-1]
    around = right // 2, right - right // 2, down // 2, down - down // 2
    return pad(patches.flatten(0, -4), around)


def stitched(patches: Tensor, factor: int) -> Tensor:
    """Return images (n, channels, height, width) of factor * factor patches (n * factor², channels, h, w).

    The n best patches are the upper left corners, the n next ones lie to their right, and so on.
    """
    channels, height, width = patches.shape[1:]
    tiles = patches.reshape(factor, factor, -1, channels, height, width).permute(2, 3, 0, 4, 1, 5)
    return tiles.reshape(-1, channels, factor * height, factor * width)


def _logits(net: Network, parameters: Tensor, images: Tensor) -> Tensor:
    return torch.cat([net.logits(parameters, batch) for batch in images.split(EVALUATION_BATCH)])


METHOD = RDED
