"""CDA: SRe2L with crops that begin as whole images and may become small.

Yin and Shen, "Dataset distillation via curriculum data synthesis in large data era", TMLR 2024, arXiv
2311.18838. The least area of the crops in recovery falls from the whole image to 8%, along half a cosine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar

from suite.core.spec import ANY_SIZE, Budget, Distiller, Examples
from suite.core.training.augmentation.single import ResizedCrop
from suite.plugins.methods.sre2l import FAMILIES, OneTeacher, OneTeacherDistiller

LEAST = 0.08
"""Smallest area of a crop at the end of the curriculum, as a share of the image's area."""


@dataclass(frozen=True)
class CDA(OneTeacher):
    """Recover images as SRe2L does, under a curriculum of crops."""

    milestone: float = 1.0  # share of the steps after which the least area has its last value

    title: ClassVar[str] = "CDA: curriculum data augmentation in recovery"
    paper: ClassVar[str] = "arXiv 2311.18838"
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("tiny-imagenet", ANY_SIZE): {
            "steps": 4000,
            "image_lr": 0.4,
            "match_weight": 0.05,
            "training": "sre2l-squeeze-tiny-50",
            "epochs": 50,
        },
        **{(family, ANY_SIZE): {"steps": 4000, "jitter": 32} for family in FAMILIES},
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        (family, ANY_SIZE): "the authors' for ImageNet-1k" for family in FAMILIES[1:]
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.milestone <= 1:
            raise ValueError(f"milestone {self.milestone} must be larger than 0, and at most 1")

    def least(self, step: int) -> float:
        """Return the least area of the crops in outer step `step`, counted from 0."""
        done = min(1.0, step / (self.milestone * self.steps))
        return LEAST + (1 - LEAST) * (1 + cos(pi * done)) / 2

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the teacher, or train it, and start from noise."""
        return CDADistiller(self, train, budget, seed)


class CDADistiller(OneTeacherDistiller):
    """One run of CDA."""

    method: CDA

    @property
    def views(self) -> ResizedCrop:
        """The crops of this step."""
        return ResizedCrop(self.method.least(self.step_count), self.train.mirrored)


METHOD = CDA
