"""RFAD: learn the set on which kernel ridge regression by random features classifies real images best.

Loo, Hasani, Amini and Rus, "Efficient dataset distillation using random feature approximation", NeurIPS 2022,
arXiv 2210.12067. Each outer step fits ridge regression on random features of the set, which estimate the NNGP
kernel, and takes a step of Adam on the Platt-scaled cross-entropy of a real batch. It follows KIP (Nguyen et
al., arXiv 2107.13034), whose kernel is the exact NTK and whose loss is `loss = "squared-error"`. The main
differences from the authors' code: Adam (there AdaBelief), and a fixed number of steps (there early stopping
on images held out of train).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.distilling.initial_images import Initialisation, check_initial, initial_images
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.networks.named import network
from suite.core.networks.nngp import random_features, random_networks
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.fit import map_batches
from suite.core.training.regression import centred, indicators, ridge_weights


@dataclass(frozen=True)
class RFAD(BaseMethod):
    """Learn the support of kernel ridge regression with random features of wide networks."""

    steps: int = 10_000
    image_lr: float = 1e-3  # also of labels
    scale_lr: float = 1e-2  # learning rate of the logarithm of Platt's scale
    transform_lr: float = 5e-5  # learning rate of the linear map applied to all images; 0 for no map
    real_batch: int = 5120
    networks: int = 8
    redraw_every: int = 1  # steps; the paper's code has the default 10, and a schedule sets it to 1
    ridge: float = 5e-3  # relative to the kernel's mean diagonal
    loss: Literal["cross-entropy", "squared-error"] = "cross-entropy"  # RFAD's loss; KIP's loss
    learn_labels: bool = False
    initial: Initialisation = "real"
    kernel: str = "convnet-d3-w256-none"  # network of the random features: 4096 features for 32x32 images

    title: ClassVar[str] = "RFAD: kernel inducing points by random features"
    paper: ClassVar[str] = "arXiv 2210.12067"
    # The most similar recipe: the paper trains with squared error, at a learning rate searched for each set.
    recipe: ClassVar[str] = "frepo-40000-v2"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        (family, ANY_SIZE): "frepo-mnist-40000" for family in ("mnist", "fashion-mnist")
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 4,
        "real_batch": 32,
        "networks": 2,
        "redraw_every": 3,
        "kernel": "convnet-d1-w8-none",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "image_lr": LogUniform(1e-4, 1e-1),
        "ridge": LogUniform(1e-4, 0.1),
    }

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "real_batch", "networks", "redraw_every")
        above_zero(self, "image_lr", "scale_lr", "ridge")
        not_negative(self, "transform_lr")

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse a kernel that does not fit the images, and too few real images for the start."""
        super().check(train, budget)
        network(self.kernel, train.shape, train.classes).check_independent()
        check_initial(train, budget, self.initial)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images and one-hot labels."""
        return RFADDistiller(self, train, budget, seed)


class RFADDistiller(BaseDistiller):
    """One run of RFAD."""

    def __init__(self, method: RFAD, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train, self.step_count = method.steps, method, train, 0
        self.network = network(method.kernel, train.shape, train.classes)
        self.images = initial_images(train, budget.ipc, method.initial, seed=seed).requires_grad_()
        self.labels = one_hot(train.classes, budget.ipc, like=self.images).requires_grad_(method.learn_labels)
        self.log_scale = self.images.new_zeros(()).requires_grad_()
        pixels = self.images[0, 0].numel() if method.transform_lr else 0
        self.transform = torch.eye(pixels, device=self.images.device).requires_grad_()
        groups: list[dict[str, Any]] = [
            {"params": [self.images, self.labels] if method.learn_labels else [self.images]},
            {"params": [self.log_scale], "lr": method.scale_lr},
            {"params": [self.transform], "lr": method.transform_lr},
        ]
        self.optimiser = torch.optim.Adam(groups, lr=method.image_lr)
        self.network_rng = generator(seed, "networks")
        self.real_rng = generator(seed, "real batches")
        self.parameters = self._sample()

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step."""
        if self.step_count and self.step_count % self.method.redraw_every == 0:
            self.parameters = self._sample()
        self.step_count += 1
        real = self.train.take(self.train.sample_rows(self.method.real_batch, self.real_rng))
        predicted = self._regress(real.images)
        loss = self._loss(predicted, real.labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            self.labels.clamp_(min=0)
        hits = (predicted.detach().argmax(1) == real.labels).float().mean()
        return {"outer_loss": loss.detach(), "kernel_accuracy": hits}

    def _regress(self, real: Tensor) -> Tensor:
        """Return the predictions (n, classes) for real images (n, …), which sum to about zero."""

        def features(images: Tensor) -> Tensor:
            return random_features(self.network, self.parameters, images)

        support = features(self._mapped().flatten(0, 1))
        weights = ridge_weights(support, centred(self.labels.flatten(0, 1)), self.method.ridge)
        return map_batches(features, real) @ weights

    def _loss(self, predicted: Tensor, labels: Tensor) -> Tensor:
        if self.method.loss == "cross-entropy":
            return cross_entropy(self.log_scale.exp() * predicted, labels)
        wanted = centred(indicators(labels, self.train.classes))
        return (predicted - wanted).square().mean() / 2

    def _mapped(self) -> Tensor:
        """Return the images (classes, ipc, …) after the linear map."""
        if not self.method.transform_lr:
            return self.images
        return (self.images.flatten(2) @ self.transform).view_as(self.images)

    def _sample(self) -> Tensor:
        """Draw the networks' parameters (networks, size)."""
        networks = self.method.networks
        return random_networks(self.network, networks, self.network_rng, self.images.device)

    def synthetic(self) -> SyntheticSet:
        """Return the images after the linear map, with their labels."""
        return SyntheticSet(self._mapped().detach().clone(), self.labels.detach().clone())


METHOD = RFAD
