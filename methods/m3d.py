"""M3D: match the distribution of each class's embeddings by maximum mean discrepancy.

Zhang, Li, Wang, Zeng and Ge, "M3D: Dataset condensation by minimizing maximum mean discrepancy", AAAI 2024,
arXiv 2312.15927. DM compares the means of embeddings. M3D compares means in the space of a kernel, a sum of
Gaussians around the mean squared distance; there equal means are equal distributions. Images are formations
as IDC's, and a random, untrained network serves several updates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.by_class.formations import ClasswiseDistiller, FormationMethod
from suite.core.distilling.matching import class_outputs
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one
from suite.core.seeding import generator
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform

_BORROWED = "configuration files of DIDD-ASU, which is built on the authors' code"


@dataclass(frozen=True)
class M3D(FormationMethod):
    """Match classes by maximum mean discrepancy in random networks; each stored image holds several."""

    steps: int = 10_000
    network_steps: int = 5  # updates with one network
    image_lr: float = 10.0  # at ten stored images per class; proportional to their number
    real_batch: int = 128
    synthetic_batch: int | None = 200
    kernels: int = 5  # Gaussians; each has twice the squared width of the one before

    title: ClassVar[str] = "M3D: maximum mean discrepancy"
    paper: ClassVar[str] = "arXiv 2312.15927"
    recipe: ClassVar[str] = "idc-1000-v2"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 5,
        "network_steps": 2,
        "real_batch": 8,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(0.1, 100.0)}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ANY_SIZE): {"image_lr": 10.0}
        for family in ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100")
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = dict.fromkeys(published, _BORROWED)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "network_steps", "kernels")

    def rate(self, ipc: int) -> float:
        """Return the learning rate of the pixels of `ipc` stored images per class."""
        return self.image_lr * ipc / 10

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side."""
        return M3DDistiller(self, train, budget, seed)


def discrepancy(ours: Tensor, theirs: Tensor, kernels: int, weights: Tensor | None = None) -> Tensor:
    """Return the squared maximum mean discrepancy (classes,) of samples (classes, m, d) and (classes, n, d).

    The kernel is the sum of exp(-|x - y|² / (w b)), with b the mean squared distance of all pairs of samples
    of a class, and w powers of 2 around 1. weights: (classes, n) of their means, None: equal; samples of
    weight 0 do not count.
    """
    (classes, m, _), n = ours.shape, theirs.shape[1]
    theirs_weigh = theirs.new_full((classes, n), 1 / n) if weights is None else weights.to(theirs)
    signed = torch.cat([ours.new_full((classes, m), 1 / m), -theirs_weigh], 1)
    samples, counted = torch.cat([ours, theirs], 1), (signed != 0).to(ours)
    squared = torch.cdist(samples, samples).square()
    total, count = torch.einsum("ci,cij,cj->c", counted, squared.detach(), counted), counted.sum(1)
    width = (total / (count.square() - count)).clamp(min=1e-12)[:, None, None]
    powers = (2.0 ** (number - kernels // 2) for number in range(kernels))
    kernel = sum(((-squared / (width * power)).exp() for power in powers), start=torch.zeros_like(squared))
    return torch.einsum("ci,cij,cj->c", signed, kernel, signed)


class M3DDistiller(ClasswiseDistiller):
    """One run of M3D."""

    method: M3D

    def __init__(self, method: M3D, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.network_rng = generator(seed, "networks")
        self.parameters = self.pixels.new_zeros(self.network.size)

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once."""
        begins = self.step_count % self.method.network_steps == 0
        fresh = [self.network.initialise(self.network_rng)] if begins else []
        fresh, match = send_nested((fresh, self.draw_match()), self.pixels.device)
        if fresh:
            (self.parameters,) = fresh
        self.keep_in_range()
        return {"outer_loss": self.update(match, self.parameters)}

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor, *given: Tensor) -> Tensor:
        """Return the discrepancy of the embeddings of synthetic and real images (classes, n, …)."""
        features = partial(self._outputs, parameters)
        with torch.no_grad():
            (theirs,) = class_outputs(features, real)
        (ours,) = class_outputs(features, synthetic)
        return discrepancy(ours, theirs, self.method.kernels, self.real.weights).sum()

    def _outputs(self, parameters: Tensor, images: Tensor) -> list[Tensor]:
        return [self.network.features(parameters, images)]


METHOD = M3D
