"""FRePo: ridge regression on features of networks from a pool that trains on the changing set.

Zhou, Nezhadarya and Ba, "Dataset distillation using neural feature regression", NeurIPS 2022,
arXiv 2206.00719. Each outer step picks a network from the pool and fits ridge regression on its features of
the set. It takes a step of LAMB on the error on a real batch, and trains the network one step on the set.
After `lifetime` steps a network is replaced by a fresh one. The main differences from the official code: the
field's ConvNet with instance norm (there batch norm and widths that double); learned labels are non-negative
before they are centred, so that they can be used in a cross-entropy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, ImageMethod
from suite.core.distilling.initial_images import initial_images
from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import Adam, lamb
from suite.core.execution.transfer import send_nested
from suite.core.limits import above_zero, at_least_one
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.fit import map_batches
from suite.core.training.regression import (
    centred,
    indicators,
    label_margin,
    ridge_weights,
    scaled,
    squared_error,
    unscaled,
)

_MIRROR = {"mirror": True}


@dataclass(frozen=True)
class FRePo(ImageMethod):
    """Minimise the error of ridge regression on features of networks that train on the set."""

    steps: int = 500_000
    outer_lr: float = 3e-4  # step length relative to the values' norm; falls as a cosine to a tenth
    inner_lr: float = 3e-4
    real_batch: int = 1024
    inner_batch: int = 1000  # synthetic images per step of a network, at most all
    pool: int = 10
    lifetime: int = 100  # steps after which a network of the pool is replaced
    ridge: float = 1e-6  # relative to the kernel's mean diagonal
    learn_labels: bool = True
    mirror: bool = False  # whether the regression also uses mirrored images

    title: ClassVar[str] = "FRePo: neural feature regression with a pool of networks"
    paper: ClassVar[str] = "arXiv 2206.00719"
    recipe: ClassVar[str] = "frepo-40000-v2"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        (family, ANY_SIZE): "frepo-mnist-40000" for family in ("mnist", "fashion-mnist")
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 6,
        "outer_lr": 0.01,
        "real_batch": 32,
        "pool": 2,
        "lifetime": 2,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"outer_lr": LogUniform(3e-5, 3e-2)}
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        ("svhn", ANY_SIZE): "the default of the authors' code, which does not list SVHN"
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        # The authors' code mirrors by default, and names the exceptions. It refuses CIFAR-100 and
        # Tiny-ImageNet at other sizes than its own.
        **{
            (family, ANY_SIZE): _MIRROR
            for family in ("cifar10", "svhn", "cub200-32", "imagenette-128", "imagewoof-128")
        },
        ("cifar100", 1): _MIRROR,
        ("tiny-imagenet", 1): _MIRROR,
    }

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "real_batch", "inner_batch", "pool", "lifetime")
        above_zero(self, "outer_lr", "inner_lr", "ridge")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, one-hot labels and a pool of networks."""
        return FRePoDistiller(self, train, budget, seed)


class FRePoDistiller(BaseDistiller):
    """One run of FRePo."""

    def __init__(self, method: FRePo, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train, self.step_count = method.steps, method, train, 0
        self.network = network(method.network, train.shape, train.classes)
        self.inner = inner_problem(self.network, Adam(method.inner_lr), objective=squared_error)
        self.outer = Adam(eps=1e-6)
        images = initial_images(train, budget.ipc, method.initial, seed=seed)
        targets = scaled(one_hot(train.classes, budget.ipc, like=images))
        self.image_state, self.label_state = (self.outer.start(x.flatten()) for x in (images, targets))
        self.network_rng = generator(seed, "networks")
        self.pool_rng = generator(seed, "pool")
        self.real_rng = generator(seed, "real batches")
        self.batch_rng = generator(seed, "minibatches")
        self.pool = torch.stack([self._fresh() for _ in range(method.pool)])
        self.ages = torch.zeros(method.pool, dtype=torch.int64)
        # First lifetimes differ, so that afterwards the networks of the pool have different ages.
        self.lifetimes = method.lifetime - torch.arange(method.pool) * (method.lifetime // method.pool)

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step."""
        chosen = int(torch.randint(self.method.pool, (), generator=self.pool_rng))
        drawn = self.train.sample_rows(self.method.real_batch, self.real_rng), self._draw_training(chosen)
        real, training = send_nested(drawn, self.train.images.device)
        images = self.image_state[0].view(-1, *self.train.shape).clone().requires_grad_()
        targets = self.label_state[0].view(-1, self.train.classes).clone().requires_grad_()
        error = self._error(self.pool[chosen, 0], images, targets, self.train.take(real))
        margin = label_margin(targets, 1 / self.train.classes)
        of_images, of_labels = torch.autograd.grad(error - margin, [images, targets])
        share = (1 + cos(pi * self.step_count / self.steps)) / 2
        lr, self.step_count = self.method.outer_lr * (0.1 + 0.9 * share), self.step_count + 1
        self.image_state = lamb(self.outer, self.image_state, of_images.flatten(), lr, self.step_count)
        if self.method.learn_labels:
            self.label_state = lamb(self.outer, self.label_state, of_labels.flatten(), lr, self.step_count)
            lowest = scaled(torch.zeros_like(targets)).flatten()
            self.label_state[0] = self.label_state[0].maximum(lowest)
        self._train(chosen, training)
        return {"outer_loss": error.detach(), "label_margin": margin.detach()}

    def _error(self, parameters: Tensor, images: Tensor, targets: Tensor, real: Examples) -> Tensor:
        """Return the error on a real batch of ridge regression on one network's features of the set."""
        if self.method.mirror:
            images, targets = torch.cat([images, images.flip(3)]), torch.cat([targets, targets])
        weights = ridge_weights(self.network.features(parameters, images), targets, self.method.ridge)
        seen = map_batches(lambda batch: self.network.features(parameters, batch), real.images)
        wanted = centred(indicators(real.labels, self.train.classes))
        return (seen @ weights - wanted).square().sum(1).mean() / 2

    def _draw_training(self, chosen: int) -> Tensor | tuple[Tensor, Tensor]:
        """Draw a fresh network if the lifetime of the chosen one is over, or else its next batch.

        A batch is its rows in the set and the corrections of the step.
        """
        age = int(self.ages[chosen])
        if age >= int(self.lifetimes[chosen]):
            return self.network.initialise(self.network_rng)
        count = self.label_state[0].numel() // self.train.classes
        rows = torch.randperm(count, generator=self.batch_rng)[: self.method.inner_batch]
        return rows, torch.tensor(self.inner.optimiser.corrections(age + 1))

    def _train(self, chosen: int, drawn: Tensor | tuple[Tensor, Tensor]) -> None:
        """Train a network of the pool one step on the set; replace it at the end of its lifetime."""
        if isinstance(drawn, Tensor):
            self.pool[chosen], self.ages[chosen] = self.inner.optimiser.start(drawn), 0
            self.lifetimes[chosen] = self.method.lifetime
            return
        (rows, corrections), (images, labels) = drawn, self.synthetic().flat()
        lr, state = images.new_full((), self.method.inner_lr), self.pool[chosen]
        (self.pool[chosen],) = self.inner.forward(state, lr, corrections, images[rows], labels[rows])
        self.ages[chosen] += 1

    def _fresh(self) -> Tensor:
        """Return the Adam state of a fresh network."""
        device = self.train.images.device
        return self.inner.optimiser.start(self.network.initialise(self.network_rng, device))

    def synthetic(self) -> SyntheticSet:
        """Return the images with their labels; the scale of learned labels is undone."""
        classes = self.train.classes
        images = self.image_state[0].view(classes, -1, *self.train.shape).clone()
        labels = one_hot(classes, images.shape[1], like=images)
        if self.method.learn_labels:
            labels = unscaled(self.label_state[0].view_as(labels)).clamp(min=0)  # of rounding
        return SyntheticSet(images, labels)


METHOD = FRePo
