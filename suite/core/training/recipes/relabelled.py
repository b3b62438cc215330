"""Recipes whose targets are a teacher's output for every augmented batch: those of decoupled methods.

A set brings the teachers with which it was distilled. Any other set is labelled by a teacher that trains on
train for `teacher_epochs`.
"""

from dataclasses import dataclass
from functools import cache
from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from suite.core.engine.losses import Objective
from suite.core.engine.optimisers import AdamW, Optimiser
from suite.core.networks.named import Network
from suite.core.training.recipes.kinds import KLRecipe, Recipe, SoftenedRecipe


@dataclass(frozen=True)
class CosineRecipe(Recipe):
    """The learning rate falls over the epochs along half a cosine, after `warm_up` epochs of a linear rise.

    The rise begins at a hundredth of `lr`.
    """

    warm_up: int = 0

    def lr_schedule(self, count: int) -> list[float]:
        """Return the learning rate of each step on `count` images."""
        rising = min(self.warm_up, self.epochs // 2)
        rise = [self.lr * (0.01 + 0.99 * epoch / rising) for epoch in range(rising)]
        falling = self.epochs - rising
        fall = [self.lr * (1 + cos(pi * epoch / falling)) / 2 for epoch in range(falling)]
        return self._per_step([*rise, *fall], count)


@dataclass(frozen=True)
class RelabelRecipe(SoftenedRecipe, CosineRecipe):
    """Kullback-Leibler divergence from the teacher's softened output.

    by_batch: whether the teacher's batch norms use the batch's statistics in place of the running ones;
    decays_all: whether norms and biases decay, too.
    """

    by_batch: bool = False
    decays_all: bool = False

    by_own_teachers: ClassVar[bool] = True

    @property
    def labels_by_batch(self) -> bool:
        """The field `by_batch`."""
        return self.by_batch

    def optimiser_of(self, network: Network, lr: float) -> Optimiser:
        """Return the optimiser, under which only weights of products decay unless all do."""
        if self.optimiser == "adamw" and not self.decays_all:
            return AdamW(lr, weight_decay=self.weight_decay, spans=network.spans)
        return self.optimiser_at(lr)


@dataclass(frozen=True)
class LogitRecipe(RelabelRecipe):
    """Squared error to the teachers' mean logits, plus `label_weight` times the cross-entropy of the label.

    The label is that of the image itself, also where another one is mixed in.
    """

    label_weight: float = 0.0

    def relabelled(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the logits beside the labels (n, 2 * classes)."""
        return torch.cat([logits, labels.to(logits)], 1)

    @property
    def objective(self) -> Objective:
        """The loss of (logits, targets)."""
        return _to_logits(self.label_weight)


@cache
def _to_logits(weight: float) -> Objective:
    def objective(logits: Tensor, targets: Tensor) -> Tensor:
        wanted, labels = targets.chunk(2, 1)
        return mse_loss(logits, wanted) + weight * cross_entropy(logits, labels)

    return objective


@dataclass(frozen=True)
class OwnTeacherRecipe(KLRecipe):
    """RDED's training, with labels by the teachers that a set brings."""

    by_own_teachers: ClassVar[bool] = True


_SRE2L, _TINY = "SRe2L, arXiv 2306.13092", "SRe2L, for Tiny-ImageNet (zeyuanyin/tiny-imagenet)"
_GVBSM, _DELT = "G-VBSM, arXiv 2311.17950", "DELT, arXiv 2411.19946"
_OTHERS = 20  # epochs of the teacher of sets that bring none, as in RDED's recipe

RELABELLED: tuple[Recipe, ...] = (
    CosineRecipe(
        "sre2l-squeeze-200",
        f"{_SRE2L}, of teachers for CIFAR-100: SGD, cosine, 200 epochs, crop, flip",
        "sgd",
        0.1,
        "crop+flip",
        momentum=0.9,
        weight_decay=5e-4,
        epochs=200,
        batch=128,
    ),
    CosineRecipe(
        "sre2l-squeeze-tiny-50",
        f"{_TINY}, of teachers: SGD, warm-up, cosine, 50 epochs, resized crop, flip",
        "sgd",
        0.2,
        "resize+flip",
        momentum=0.9,
        weight_decay=1e-4,
        epochs=50,
        batch=256,
        warm_up=5,
    ),
    Recipe(
        "g-vbsm-squeeze-50",
        f"{_GVBSM}, of teachers for CIFAR: SGD, constant rate, 50 epochs, crop, flip",
        "sgd",
        0.05,
        "crop+flip",
        momentum=0.9,
        epochs=50,
        batch=64,
    ),
    RelabelRecipe(
        "sre2l-cifar-400",
        f"{_SRE2L}, for CIFAR-100: AdamW, cosine, 400 epochs, crop, flip, mixup; teacher at temperature 30",
        "adamw",
        1e-3,
        "crop+flip+mixup",
        weight_decay=0.01,
        epochs=400,
        batch=128,
        teacher_epochs=_OTHERS,
        temperature=30.0,
        by_batch=True,
        decays_all=True,
    ),
    RelabelRecipe(
        "sre2l-tiny-100",
        f"{_TINY}: SGD, warm-up, cosine, 100 epochs, resized crop, flip; teacher at temperature 20",
        "sgd",
        # Their loss is multiplied by the square of the temperature.
        0.2 * 20**2,
        "resize+flip",
        momentum=0.9,
        weight_decay=1e-4 / 20**2,
        epochs=100,
        batch=256,
        teacher_epochs=_OTHERS,
        warm_up=5,
        temperature=20.0,
    ),
    RelabelRecipe(
        "sre2l-300",
        f"{_SRE2L}, for ImageNet: AdamW, cosine, 300 epochs, resized crop, flip, CutMix; teacher at 20",
        "adamw",
        1e-3,
        "resize+flip+cutmix",
        weight_decay=0.01,
        epochs=300,
        batch=1024,
        teacher_epochs=_OTHERS,
        temperature=20.0,
    ),
    LogitRecipe(
        "g-vbsm-1000",
        f"{_GVBSM}, for CIFAR-10: AdamW, cosine, 1000 epochs, resized crop, flip, CutMix; mean logits",
        "adamw",
        1e-3,
        "resize+flip+cutmix",
        epochs=1000,
        batch=100,
        teacher_epochs=_OTHERS,
        label_weight=0.15,
    ),
    LogitRecipe(
        "g-vbsm-cifar100-1000",
        f"{_GVBSM}, for CIFAR-100: as g-vbsm-1000 with SGD",
        "sgd",
        0.1,
        "resize+flip+cutmix",
        momentum=0.9,
        weight_decay=5e-4,
        epochs=1000,
        batch=64,
        teacher_epochs=_OTHERS,
        label_weight=0.15,
    ),
    LogitRecipe(
        "g-vbsm-tiny-100",
        f"{_GVBSM}, for Tiny-ImageNet: SGD, 100 epochs",
        "sgd",
        0.1,
        "resize+flip+cutmix",
        momentum=0.9,
        weight_decay=5e-4,
        epochs=100,
        batch=50,
        teacher_epochs=_OTHERS,
        label_weight=0.1,
    ),
    LogitRecipe(
        "g-vbsm-300",
        f"{_GVBSM}, for ImageNet: AdamW, 300 epochs",
        "adamw",
        1e-3,
        "resize+flip+cutmix",
        weight_decay=0.01,
        epochs=300,
        batch=1024,
        teacher_epochs=_OTHERS,
        label_weight=0.1,
    ),
    OwnTeacherRecipe(
        "delt-300",
        f"{_DELT}: as rded-300-v2, with resized crops of at least a quarter",
        "adamw",
        1e-3,
        "resize-25+flip+cutmix",
        weight_decay=0.01,
        epochs=300,
        batch=50,
        teacher_epochs=_OTHERS,
        temperature=20.0,
    ),
)
