"""TESLA: trajectory matching with soft labels from the expert that is matched.

Cui, Wang, Si and Hsieh, "Scaling up dataset distillation to ImageNet-1K with constant memory", ICML 2023,
arXiv 2211.10586. MTT in which the labels of a step are what the expert predicts at the end of the stretch.
Departures from the official code: the gradient is exact, at the same memory, where TESLA's closed form
treats what a step computes as independent of the images seen before; the paper's labels are used on every
dataset, in the authors' commands only on ImageNet. Settings are those of the commands that they print.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from suite.core.spec import Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.plugins.methods.mtt import MTT, MTTDistiller, settings


@dataclass(frozen=True)
class TESLA(MTT):
    """Match trajectories on images with the expert's own soft labels."""

    title: ClassVar[str] = "TESLA: trajectory matching with the experts' soft labels"
    paper: ClassVar[str] = "arXiv 2211.10586"
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 1): settings(50, 2, 5, 1000.0, 1e-7, 0.01, None),
        ("cifar100", 50): settings(80, 2, 40, 1000.0, 1e-5, 0.01, 125),
        ("imagenet-64", 1): {
            **settings(10, 3, 10, 10_000.0, 1e-4, 0.01, 100),
            "experts": 50,
            "network": "convnet-d4-w128-in",
        },
    }

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start with the experts, training those that the cache does not have."""
        return TESLADistiller(self, train, budget, seed)


class TESLADistiller(MTTDistiller):
    """One run of TESLA."""

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, with new labels."""
        start, target, epoch = self.sample_segment()
        self.labels = map_batches(partial(self.network.logits, target), self.images).softmax(-1)
        self.last = self.meta_gradient(start, target, [self.images])
        self.set_gradients([self.images])
        self.optimiser.step()
        return self.metrics(epoch)


METHOD = TESLA
