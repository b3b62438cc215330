"""SRe2L: squeeze train into a network, recover images from it, and relabel every view of them.

Yin et al., "Squeeze, recover and relabel: dataset condensation at ImageNet scale from a new perspective",
NeurIPS 2023, arXiv 2306.13092. A teacher with batch norm trains on train. Images start from noise and
minimise its cross-entropy plus the distance of their batch's statistics from the running ones, at each batch
norm. The native recipes label every augmented batch by this teacher, whose weights are stored with the set
and counted in bytes. Other recipes see hard labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.distilling.decoupled.recovery import RecoveryDistiller, RecoveryMethod
from suite.core.distilling.decoupled.statistics import batch_norm_gaps
from suite.core.networks.named import with_batch_norm
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import Augmentation, augment_for, augmentation

IMAGENET: Mapping[str, Any] = {"steps": 4000, "jitter": 32, "augment": "resize+flip"}
"""The authors' settings for ImageNet-1k at all sizes, where they are not the defaults."""

FAMILIES = ("imagenet-1k", "imagenette-128", "imagewoof-128")


@dataclass(frozen=True)
class OneTeacher(RecoveryMethod):
    """A method that recovers images from one network; CDA and DELT are others."""

    teacher: str | None = None  # its network; None: `network` with batch norm

    recipe: ClassVar[str] = "sre2l-cifar-400"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        ("tiny-imagenet", ANY_SIZE): "sre2l-tiny-100",
        **{(family, ANY_SIZE): "sre2l-300" for family in FAMILIES},
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 4,
        "epochs": 1,
        "batch": 5,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "image_lr": LogUniform(0.02, 1.0),
        "match_weight": LogUniform(1e-3, 1.0),
    }

    def teacher_names(self, train: Examples) -> list[str]:
        """Return the one teacher."""
        return [self.teacher or with_batch_norm(self.network, train.shape, train.classes)]


class OneTeacherDistiller(RecoveryDistiller):
    """One run of such a method."""

    def loss(self, seen: Tensor, labels: Tensor, batch: int) -> Tensor:
        """Return the cross-entropy plus the weighted distance of the batch norms' statistics."""
        (net,), (teacher,) = self.known.networks, self.known.teachers
        logits, gaps = batch_norm_gaps(net, teacher.parameters, seen)
        return cross_entropy(logits, labels) + self.method.match_weight * self.weighted(gaps)


@dataclass(frozen=True)
class SRe2L(OneTeacher):
    """Recover images by the cross-entropy and the batch-norm statistics of a trained network."""

    augment: str = "none"  # of the views in recovery; one draw for a batch

    title: ClassVar[str] = "SRe2L: squeeze, recover and relabel"
    paper: ClassVar[str] = "arXiv 2306.13092"
    # For CIFAR-100 the defaults, from the authors' commands, as all of these.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", ANY_SIZE): {},
        ("cifar100", ANY_SIZE): {},
        ("tiny-imagenet", ANY_SIZE): {
            "steps": 4000,
            "image_lr": 0.1,
            "match_weight": 1.0,
            "augment": "resize+flip",
            "training": "sre2l-squeeze-tiny-50",
            "epochs": 50,
        },
        **{(family, ANY_SIZE): IMAGENET for family in FAMILIES},
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        ("cifar10", ANY_SIZE): "the authors' for CIFAR-100",
        **{(family, ANY_SIZE): "the authors' for ImageNet-1k" for family in FAMILIES[1:]},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        augmentation(self.augment)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the teacher, or train it, and start from noise."""
        return SRe2LDistiller(self, train, budget, seed)


class SRe2LDistiller(OneTeacherDistiller):
    """One run of SRe2L."""

    method: SRe2L

    @property
    def views(self) -> Augmentation:
        """The augmentation, without flips on digits."""
        return augmentation(augment_for(self.method.augment, self.train))


METHOD = SRe2L
