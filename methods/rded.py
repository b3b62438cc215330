"""RDED: stitch the real crops that a teacher is most confident about, with the teacher's labels.

Sun et al., "On the diversity and realism of distilled dataset: an efficient dataset distillation paradigm",
CVPR 2024, arXiv 2312.03526. A teacher trains on train. For each of `candidates` real images, the best of
`crops` random crops is kept, by the teacher's cross-entropy. The best crops of a class are stitched together
and labelled by the teacher. Nothing is optimised. In the native recipe `rded-300-v2` a teacher that the
evaluator trains on train labels every augmented batch, as in the paper. Under other recipes networks see the
stored labels; `rded-stored-300` is the paper's training with these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, log_softmax, pad

from suite.core.distilling.base import BaseDistiller, NetworkMethod
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one, check_enough_real
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.parametrisations import check_factor
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.cached import trained_network
from suite.core.training.fit import map_batches
from suite.core.training.recipes import recipe_on_real

SCALE = (0.08, 1.0)
"""Smallest and largest area of a crop, as a share of the image's area."""


@dataclass(frozen=True)
class RDED(NetworkMethod):
    """Pick real crops by a teacher's cross-entropy, stitch them together, and label them by the teacher."""

    candidates: int = 300  # random real images of each class that are cropped
    crops: int = 5  # random crops per candidate; the best is kept
    factor: int = 1  # crops along a side of a stitched image; the authors use 2 for 128 pixels and more
    epochs: int = 20  # epochs of the teacher, which is `network`
    training: str = "dc-300"  # recipe that gives the teacher's optimiser and augmentation

    title: ClassVar[str] = "RDED: realistic, diverse and efficient dataset distillation"
    paper: ClassVar[str] = "arXiv 2312.03526"
    recipe: ClassVar[str] = "rded-300-v2"
    batch_norm: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {"candidates": 8, "epochs": 1, "network": "convnet-d1-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "candidates": Choice((100, 300, 1000)),
        "factor": Choice((1, 2)),
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ANY_SIZE): {"factor": 2} for family in ("imagenet-1k", "imagenette-128", "imagewoof-128")
    }

    def __post_init__(self) -> None:
        recipe_on_real(self.training)
        at_least_one(self, "candidates", "crops", "epochs")

    @property
    def outer_steps(self) -> int:
        """One step, which selects the crops."""
        return 1

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a factor that does not divide the images, and more crops than candidates."""
        super().check(train, budget)
        check_factor(self.factor, *train.shape[1:])
        check_enough_real(train, budget, each=self.factor**2)
        if (needed := budget.ipc * self.factor**2) > self.candidates:
            raise ValueError(f"candidates {self.candidates}: ipc {budget.ipc} takes {needed} of each class")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start a run of one step."""
        return RDEDDistiller(self, train, budget, seed)


class RDEDDistiller(BaseDistiller):
    """One run of RDED."""

    def __init__(self, method: RDED, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train, self.budget, self.seed = 1, method, train, budget, seed
        self.network = network(method.network, train.shape, train.classes)
        # Until the step is taken, the set is the first images of each class.
        first = torch.stack([rows[: budget.ipc] for rows in train.by_class()])
        self.images = train.images[first]
        self.labels = one_hot(train.classes, budget.ipc, like=train.images)
        self.cached_seconds = 0.0

    @torch.no_grad()
    def step(self) -> Mapping[str, float]:
        """Choose crops, stitch and label them."""
        method, how = self.method, (self.method.network, self.method.training, self.method.epochs)
        teacher, self.cached_seconds = trained_network(self.train, *how, seed=self.seed)
        drawn = send_nested(list(self._drawn()), self.images.device)
        chosen = [self._chosen(label, teacher, *own) for label, own in enumerate(drawn)]
        self.images = torch.stack([stitched(patches, method.factor) for patches in chosen])
        self.labels = map_batches(partial(self.network.logits, teacher), self.images).softmax(-1)
        return {}

    def _drawn(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw for each class the rows (n,) of its candidates, and their crops (crops, n, 3)."""
        for label, rows in enumerate(self.train.rows_by_class()):
            rng = generator(self.seed, "patches", label)
            chosen = rows[torch.randperm(len(rows), generator=rng)[: self.method.candidates]]
            crops = [torch.rand(len(chosen), 3, generator=rng) for _ in range(self.method.crops)]
            yield chosen, torch.stack(crops)

    def _chosen(self, label: int, teacher: Tensor, rows: Tensor, crops: Tensor) -> Tensor:
        """Return the best crops of a class, at most one per image, best first: (m, channels, h, w)."""
        method, images = self.method, self.train.images[rows]
        size = images.shape[2] // method.factor, images.shape[3] // method.factor
        patches = torch.stack([cropped(images, size, uniform) for uniform in crops])
        logits = map_batches(partial(self.network.logits, teacher), padded(patches, self.train.shape))
        least, crop = (-log_softmax(logits, 1)[:, label]).view(method.crops, -1).min(0)
        best = least.argsort(stable=True)[: self.budget.ipc * method.factor**2]
        return patches[crop[best], best]

    def synthetic(self) -> SyntheticSet:
        """Return the images with the teacher's labels."""
        return SyntheticSet(self.images.clone(), self.labels.clone())


def cropped(images: Tensor, size: tuple[int, int], uniform: Tensor) -> Tensor:
    """Return a crop of each image, with the image's aspect ratio, resized bilinearly to `size`.

    uniform: numbers (n, 3) in [0, 1) that give the crops' areas and places.
    """
    low, high = SCALE
    side = (low + (high - low) * uniform[:, 0]).sqrt()  # as a share of the image's
    centre = (1 - side[:, None]) * (2 * uniform[:, 1:] - 1)  # from -1 to 1 over the image
    zero = torch.zeros_like(side)
    columns = torch.stack([side, zero, centre[:, 1]], 1)
    grid = torch.stack([columns, torch.stack([zero, side, centre[:, 0]], 1)], 1)
    where = affine_grid(grid, [len(images), images.shape[1], *size], align_corners=False)
    return grid_sample(images, where, padding_mode="border", align_corners=False)


def padded(patches: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Pad patches (…, channels, h, w) with zeros on all sides to images (n, *shape)."""
    down, right = shape[1] - patches.shape[-2], shape[2] - patches.shape[-1]
    around = right // 2, right - right // 2, down // 2, down - down // 2
    return pad(patches.flatten(0, -4), around)


def stitched(patches: Tensor, factor: int) -> Tensor:
    """Return images (n, channels, height, width) of factor * factor patches (n * factor², channels, h, w).

    The n best patches are the upper left parts, the next n are placed to their right, and so on.
    """
    channels, height, width = patches.shape[1:]
    tiles = patches.reshape(factor, factor, -1, channels, height, width).permute(2, 3, 0, 4, 1, 5)
    return tiles.reshape(-1, channels, factor * height, factor * width)


METHOD = RDED
