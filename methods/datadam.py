"""DataDAM: match attention maps of random networks at every layer, and mean embeddings.

Sajedi et al., "DataDAM: Efficient dataset distillation with attention matching", ICCV 2023,
arXiv 2310.00093. Each outer step draws a fresh network and takes a step of SGD on the squared distances
between each class's mean attention maps (activations to a power, summed over channels, of unit length) and,
with weight `balance`, mean embeddings. Differences from the official code: power 4 as in the paper (there 1);
instance norm as in the paper (there batch norm). The authors retrain for 1800 epochs, our recipe for 1000.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.core.distilling.base import BaseDistiller, ImageMethod
from suite.core.distilling.initial_images import initial_images
from suite.core.distilling.matching import class_means, paired, real_batches
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augmentation

SCALE = 100.0
"""Factor of the loss in the authors' code, on which their `image_lr` depends."""


@dataclass(frozen=True)
class DataDAM(ImageMethod):
    """Match mean attention maps and embeddings of each class, under a fresh random network at every step."""

    steps: int = 8000
    image_lr: float = 1.0
    image_momentum: float = 0.5
    real_batch: int = 64  # real images of each class per step
    power: int = 4  # exponent of activations in the attention map
    balance: float = 0.01  # the weight of the embedding beside the attention maps
    augment: str = "dsa"

    title: ClassVar[str] = "DataDAM: attention matching"
    paper: ClassVar[str] = "arXiv 2310.00093"
    smoke: ClassVar[Mapping[str, Any]] = {"steps": 5, "real_batch": 8, "network": "convnet-d2-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(0.1, 10.0)}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ipc): {"image_lr": 10.0} for family in ("cifar10", "cifar100") for ipc in (100, 200)
    }

    def __post_init__(self) -> None:
        augmentation(self.augment)
        at_least_one(self, "steps", "real_batch", "power")
        above_zero(self, "image_lr")
        not_negative(self, "image_momentum", "balance")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a network without attention maps."""
        super().check(train, budget)
        net = network(self.network, train.shape, train.classes)
        nothing = torch.empty(1, *train.shape, device="meta")
        seen, _ = net.activations(torch.empty(net.size, device="meta"), nothing)
        if any(maps.ndim != 4 for maps in seen):
            raise ValueError(f"network {self.network!r} has no attention maps; use a convolutional one")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images unless `initial` says otherwise."""
        return DataDAMDistiller(self, train, budget, seed)


def attention(maps: Tensor, power: int) -> Tensor:
    """Return the attention (n, height * width), of unit length, of maps (n, channels, height, width)."""
    return normalize(maps.abs().pow(power).sum(1).flatten(1), dim=1)


class DataDAMDistiller(BaseDistiller):
    """One run of DataDAM."""

    def __init__(self, method: DataDAM, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method = method.steps, method
        self.network = network(method.network, train.shape, train.classes)
        self.images = initial_images(train, budget.ipc, method.initial, seed=seed).requires_grad_()
        self.optimiser = torch.optim.SGD([self.images], lr=method.image_lr, momentum=method.image_momentum)
        self.real = real_batches(train)
        self.real_rng = generator(seed, "real batches")
        self.network_rng = generator(seed, "networks")
        self.augment_rng = generator(seed, "augmentation")

    def step(self) -> Mapping[str, float]:
        """Take one outer step."""
        parameters = self.network.initialise(self.network_rng, self.images.device)
        real = self.real.sample(self.method.real_batch, self.real_rng)
        real, synthetic = paired(self.method.augment, real, self.images, self.augment_rng)
        with torch.no_grad():
            targets = self._class_means(parameters, real)
        found = self._class_means(parameters, synthetic)
        *maps, output = [(a - b).square().sum() for a, b in zip(targets, found, strict=True)]
        loss = SCALE * (sum(maps, start=self.method.balance * output))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"outer_loss": float(loss.detach())}

    def _class_means(self, parameters: Tensor, images: Tensor) -> list[Tensor]:
        """Return each class's means: attention at every ReLU but the last, then the embedding."""

        def values(piece: Tensor) -> list[Tensor]:
            seen, embedding = self.network.activations(parameters, piece)
            return [*(attention(maps, self.method.power) for maps in seen[:-1]), embedding]

        return class_means(values, images)

    def synthetic(self) -> SyntheticSet:
        """Return the images with hard labels."""
        images = self.images.detach().clone()
        return SyntheticSet(images, one_hot(*images.shape[:2]).to(images))


METHOD = DataDAM
