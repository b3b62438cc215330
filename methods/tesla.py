"""TESLA: trajectory matching with soft labels of the matched expert.

Cui, Wang, Si and Hsieh, "Scaling up dataset distillation to ImageNet-1K with constant memory", ICML 2023,
arXiv 2211.10586. MTT with the expert's predictions at the end of the segment as labels. Differences from the
official code: the gradient is exact, with the same memory (TESLA's closed form treats each step's gradient as
independent of the images of earlier steps); soft labels are used on every dataset (the authors' commands use
them only on ImageNet). Settings are from the authors' printed commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from suite.core.spec import UNPUBLISHED, Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.plugins.methods.mtt import MTT, MTTDistiller, settings


@dataclass(frozen=True)
class TESLA(MTT):
    """Match trajectories on images with soft labels of the matched expert."""

    steps: int = 10_000

    title: ClassVar[str] = "TESLA: trajectory matching with the experts' soft labels"
    paper: ClassVar[str] = "arXiv 2211.10586"
    batch_norm: ClassVar[bool] = False  # experts predict labels without running statistics
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 1): settings(50, 2, 5, 1000.0, 1e-7, 0.01, None),
        ("cifar100", 50): settings(80, 2, 40, 1000.0, 1e-5, 0.01, 125),
        ("imagenet-64", 1): {
            **settings(10, 3, 10, 10_000.0, 1e-4, 0.01, 100),
            "experts": 50,
        },
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = dict.fromkeys(
        (("cifar10", 10), ("cifar10", 50), ("cifar100", 1), ("cifar100", 10), ("imagenet-64", 10)),
        UNPUBLISHED,
    )

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the experts, or train the missing ones, and start."""
        return TESLADistiller(self, train, budget, seed)


class TESLADistiller(MTTDistiller):
    """One run of TESLA."""

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, with labels predicted by its expert."""
        drawn = self.draw()
        self.labels = map_batches(partial(self.network.logits, drawn.target), self.images).softmax(-1)
        self.last = self.meta_gradient(drawn, [self.images])
        self.set_gradients([self.images])
        self.optimiser.step()
        return self.metrics(drawn.epoch)


METHOD = TESLA
