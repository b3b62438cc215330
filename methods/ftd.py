"""FTD: trajectory matching on flat trajectories, with a moving average of the images.

Du, Jiang, Tan, Zhou and Li, "Minimizing the accumulated trajectory error to improve dataset distillation",
CVPR 2023, arXiv 2211.11004. MTT with two changes. Experts are trained by adaptive GSAM, which seeks flat
minima, so that a student that is a little beside an expert still ends near it. The set is an exponential
moving average of the images over the outer steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from suite.core.limits import not_negative
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.recipes import FlatRecipe, Recipe
from suite.plugins.methods.mtt import MTT, MTTDistiller, settings


@dataclass(frozen=True)
class FlatMTT(MTT):
    """MTT with experts on flat trajectories: FTD's and DATM's."""

    rho: float = 0.01  # how far uphill experts look; 0: MTT's experts
    alpha: float = 0.4  # share of their gradient, orthogonal to that uphill, that is subtracted

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative(self, "rho", "alpha")

    @property
    def training(self) -> Recipe:
        """The experts' recipe: MTT's, by adaptive GSAM."""
        plain = super().training
        if not self.rho:
            return plain
        return FlatRecipe(**{**vars(plain), "source": FTD.paper}, rho=self.rho, alpha=self.alpha)


def _settings(alpha: float, ema_decay: float, *table: Any) -> dict[str, Any]:
    """Return the settings of MTT's table, and FTD's own two."""
    return {**settings(*table), "alpha": alpha, "ema_decay": ema_decay}


@dataclass(frozen=True)
class FTD(FlatMTT):
    """Match flat trajectories, and average the images over outer steps."""

    ema_decay: float = 0.999  # of the average of the images, per outer step

    title: ClassVar[str] = "FTD: flat trajectory distillation"
    paper: ClassVar[str] = "arXiv 2211.11004"
    smoke: ClassVar[Mapping[str, Any]] = {**MTT.smoke, "ema_decay": 0.5}
    # The table of the authors' readme, which the paper has as table 7. Images of CIFAR are whitened.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 1): _settings(0.3, 0.9999, 50, 2, 2, 100.0, 1e-7, 0.01, None),
        ("cifar10", 10): _settings(0.3, 0.9995, 30, 2, 20, 100.0, 1e-5, 0.001, None),
        ("cifar10", 50): _settings(1.0, 0.999, 30, 2, 40, 1000.0, 1e-5, 0.01, None),
        ("cifar100", 1): _settings(1.0, 0.9995, 40, 3, 20, 1000.0, 1e-5, 0.01, None),
        ("cifar100", 10): _settings(1.0, 0.9995, 20, 2, 40, 1000.0, 1e-5, 0.01, None),
        ("cifar100", 50): _settings(1.0, 0.999, 80, 2, 40, 1000.0, 1e-5, 0.01, 1000),
        ("tiny-imagenet", 1): _settings(1.0, 0.999, 30, 2, 10, 10_000.0, 1e-4, 0.01, None),
        ("tiny-imagenet", 10): _settings(1.0, 0.999, 20, 2, 40, 10_000.0, 1e-4, 0.01, 500),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay {self.ema_decay} must be at least 0 and below 1")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the experts, or train the missing ones, and start."""
        return FTDDistiller(self, train, budget, seed)


class FTDDistiller(MTTDistiller):
    """One run of FTD."""

    method: FTD

    def __init__(self, method: FTD, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.average = self.images.clone()

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step of MTT, then update the average."""
        metrics = super().step()
        self.average.lerp_(self.images, 1 - self.method.ema_decay)
        return metrics

    def synthetic(self) -> SyntheticSet:
        """Return the average of the images, and the labels, with the learned rate."""
        return SyntheticSet(self.average.clone(), self.labels.clone(), lr=float(self.student_lr))


METHOD = FTD
