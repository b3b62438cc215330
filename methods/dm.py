"""DM: match the mean embedding of each class in random networks.

Zhao and Bilen, "Dataset condensation with distribution matching", WACV 2023, arXiv 2110.04181.
Each outer step draws a fresh, untrained network, augments the real and the synthetic images of a class with
the same parameters, and takes a step of SGD on the squared distance of their mean embeddings, summed over
classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, ImageMethod
from suite.core.distilling.initial_images import initial_images
from suite.core.distilling.matching import draw_pairing, mean_gaps, real_batches
from suite.core.execution.replayed import ReplayedLoss
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one, not_negative
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augment_for, augmentation


@dataclass(frozen=True)
class DM(ImageMethod):
    """Match each class's mean embedding under a fresh random network at every step."""

    steps: int = 20_000
    image_lr: float = 1.0
    image_momentum: float = 0.5
    real_batch: int = 256  # real images of each class per step
    augment: str = "dsa"

    title: ClassVar[str] = "DM: distribution matching"
    paper: ClassVar[str] = "arXiv 2110.04181"
    smoke: ClassVar[Mapping[str, Any]] = {"steps": 5, "real_batch": 8, "network": "convnet-d1-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(0.1, 100.0)}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", ipc): {"image_lr": 10.0} for ipc in (100, 200, 500, 1000, 1250)
    }

    def __post_init__(self) -> None:
        augmentation(self.augment)
        at_least_one(self, "steps", "real_batch")
        not_negative(self, "image_lr", "image_momentum")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images or noise."""
        return DMDistiller(self, train, budget, seed)


class DMDistiller(BaseDistiller):
    """One run of DM."""

    def __init__(self, method: DM, train: Examples, budget: Budget, seed: int) -> None:
        self.steps = method.steps
        self.method = replace(method, augment=augment_for(method.augment, train))
        self.network = network(method.network, train.shape, train.classes)
        self.images = initial_images(train, budget.ipc, method.initial, seed=seed).requires_grad_()
        self.optimiser = torch.optim.SGD([self.images], lr=method.image_lr, momentum=method.image_momentum)
        self.loss = ReplayedLoss.on(train.images.device, self.gap)
        self.real = real_batches(train, method.real_batch)
        self.real_rng = generator(seed, "real batches")
        self.network_rng = generator(seed, "networks")
        self.augment_rng = generator(seed, "augmentation")

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step."""
        loss = self.distance(self.images)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"outer_loss": loss.detach()}

    def distance(self, images: Tensor) -> Tensor:
        """Return how far images (classes, n, …) are from a real batch in a fresh network's embedding."""
        drawn = (
            self.network.initialise(self.network_rng),
            self.real.draw(self.real_rng),
            draw_pairing(self.method.augment, len(images), self.augment_rng),
        )
        parameters, rows, pairing = send_nested(drawn, images.device)
        real, synthetic = pairing.apply(self.real.images[rows], images)
        return self.loss(synthetic, real, parameters)

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor) -> Tensor:
        """Return the loss: the distance of synthetic and real images (classes, n, …)."""
        return self.gaps(synthetic, real, parameters)[0]

    def gaps(self, synthetic: Tensor, real: Tensor, parameters: Tensor) -> list[Tensor]:
        """Return the squared distances of class means, of each of the network's `outputs`."""
        return mean_gaps(partial(self.outputs, parameters), synthetic, real, self.real.weights)

    def outputs(self, parameters: Tensor, images: Tensor) -> list[Tensor]:
        """Return the tensors (n, …) of images (n, …) whose class means are matched: the embedding."""
        return [self.network.features(parameters, images)]

    def synthetic(self) -> SyntheticSet:
        """Return the images with hard labels."""
        return SyntheticSet.with_hard_labels(self.images.detach().clone())


METHOD = DM
