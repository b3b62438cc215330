"""DataDAM: match attention maps of random networks at every layer, and mean embeddings.

Sajedi et al., "DataDAM: Efficient dataset distillation with attention matching", ICCV 2023,
arXiv 2310.00093. Each outer step draws a fresh network and takes a step of SGD on the squared distances
between each class's mean attention maps (activations to a power, summed over channels, of unit length) and,
with weight `balance`, mean embeddings. Differences from the official code: power 4 as in the paper (there 1);
instance norm as in the paper (there batch norm).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.networks.named import network
from suite.core.spec import ANY_SIZE, Budget, Distiller, Examples
from suite.plugins.methods.dm import DM, DMDistiller

SCALE = 100.0
"""Factor of the loss in the authors' code, on which their `image_lr` depends."""

# Of the data sets in the authors' code those of 28 to 64 pixels, and of high resolution.
_SMALL = ("cifar10", "cifar100", "mnist", "tiny-imagenet")
_LARGE = ("imagenette-128", "imagewoof-128")


@dataclass(frozen=True)
class DataDAM(DM):
    """Match each class's mean attention maps, and embedding, under a fresh random network at every step."""

    steps: int = 8000
    real_batch: int = 64  # real images of each class per step
    power: int = 4  # exponent of activations in the attention map
    balance: float = 0.01  # the weight of the embedding beside the attention maps

    title: ClassVar[str] = "DataDAM: attention matching"
    paper: ClassVar[str] = "arXiv 2310.00093"
    recipe: ClassVar[str] = "datadam-1800"
    smoke: ClassVar[Mapping[str, Any]] = {**DM.smoke, "network": "convnet-d2-w8-in"}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **{(family, ipc): {"image_lr": 10.0} for family in _SMALL for ipc in (100, 200)},
        **{(family, ANY_SIZE): {"balance": 0.02} for family in _LARGE},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "power")
        above_zero(self, "image_lr")
        not_negative(self, "balance")

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


class DataDAMDistiller(DMDistiller):
    """One run of DataDAM: DM with another distance."""

    method: DataDAM

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor) -> Tensor:
        """Return the loss: the weighted distance of synthetic and real images (classes, n, …)."""
        *maps, embedding = self.gaps(synthetic, real, parameters)
        return SCALE * sum(maps, start=self.method.balance * embedding)

    def outputs(self, parameters: Tensor, images: Tensor) -> list[Tensor]:
        """Return the attention of images (n, …) at every ReLU but the last, then the embedding."""
        seen, embedding = self.network.activations(parameters, images)
        return [*(attention(maps, self.method.power) for maps in seen[:-1]), embedding]


METHOD = DataDAM
