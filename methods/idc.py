"""IDC: each stored image holds several smaller ones, whose gradients match those of real images.

Kim et al., "Dataset condensation via efficient synthetic-data parameterization", ICML 2022,
arXiv 2205.14959. Each outer step decodes every stored image to `factor` squared enlarged parts, takes a step
of SGD on the distance between class gradients of convolutions, and trains the network on real images. The
network is replaced every `network_steps` steps. Every image is augmented by colour, crop and cutout, in the
networks' training by colour, crop and CutMix. The authors learn pixels in [0, 1]; here each channel's range
in the real images is mapped to [0, 1], so the authors' rates have another meaning under ZCA whitening.
Fashion-MNIST, reduced, recipe `idc-1000-v2`: 74.5% and 78.6% at 1 and 10 images; printed 81.0% and 86.0%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from suite.core.distilling.by_class.formations import ClasswiseDistiller, FormationMethod
from suite.core.distilling.matching import class_gradients, weights
from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import SGD
from suite.core.engine.steps import train
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one
from suite.core.networks.named import Network
from suite.core.seeding import generator
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import AugmentParams, augment_each, augment_for, augmentation
from suite.core.training.regression import indicators

Metric = Literal["l1", "mse"]
GREY: Mapping[str, Any] = {"metric": "l1", "image_lr": 1e-4, "network_images": 500}
"""The authors' settings for grey images."""

FASHION: Mapping[str, Any] = {**GREY, "image_lr": 1e-4 * (28 / 32) ** 2}
"""Their rate is for images of 32x32, except on MNIST, and in proportion to the area."""

_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "svhn": {"network_images": 500},
    "fashion-mnist": FASHION,
    "mnist": {**GREY, "augment": "color+crop", "network_augment": "color+crop"},
}
_NETWORK_SGD = SGD(0.01, 0.9, 5e-4)  # learning rate of the networks in which gradients are matched


@dataclass(frozen=True)
class IDC(FormationMethod):
    """Match class-wise gradients in networks trained on real images; each stored image holds several."""

    steps: int = 200_000  # updates of the images: the authors' 2000 networks times 100 updates
    network_steps: int = 100  # updates with one network
    metric: Metric = "mse"  # distance of the convolutions' gradients: sum of squares, or of absolute values
    image_lr: float = 5e-3  # at ten stored images per class; proportional to their number
    real_batch: int = 64
    synthetic_batch: int | None = 128
    network_images: int = 2000  # real images for the network per step, rounded up to whole batches of 64
    network_augment: str = "color+crop+cutmix"

    title: ClassVar[str] = "IDC: information-intensive condensation, multi-formation"
    paper: ClassVar[str] = "arXiv 2205.14959"
    recipe: ClassVar[str] = "idc-1000-v2"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {("mnist", ANY_SIZE): "idc-mnist-1000"}
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 5,
        "network_steps": 2,
        "real_batch": 4,
        "network_images": 16,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(5e-5, 0.5)}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        (family, ANY_SIZE): settings for family, settings in _PUBLISHED.items()
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        augmentation(self.network_augment, mixing=True)
        at_least_one(self, "network_steps", "network_images")

    def rate(self, ipc: int) -> float:
        """Return the learning rate of the pixels of `ipc` stored images per class."""
        return self.image_lr * ipc / 10

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side."""
        return IDCDistiller(self, train, budget, seed)


def distance(net: Network, ours: Tensor, theirs: Tensor, metric: Metric) -> Tensor:
    """Return the distance of flat gradients (classes, size), summed over classes and convolutions."""
    filters = [part for part in weights(net, ours - theirs) if part.ndim == 5]
    gaps = torch.cat([part.flatten(1) for part in filters], 1)
    return gaps.abs().sum() if metric == "l1" else gaps.square().sum()


class IDCDistiller(ClasswiseDistiller):
    """One run of IDC."""

    method: IDC

    def __init__(self, method: IDC, train: Examples, budget: Budget, seed: int) -> None:
        network_augment = augment_for(method.network_augment, train)
        super().__init__(replace(method, network_augment=network_augment), train, budget, seed)
        self.train = train
        self.network_batches = -(-method.network_images // 64)
        steps = method.steps * self.network_batches
        self.inner = inner_problem(
            self.network, _NETWORK_SGD, batch=64, steps=steps, device=train.images.device
        )
        self.network_rng = generator(seed, "networks")
        self.state = _NETWORK_SGD.start(self.network.initialise(self.network_rng, self.pixels.device))

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once, then train the network on real ones."""
        begins = self.step_count % self.method.network_steps == 0
        fresh = [self.network.initialise(self.network_rng)] if begins and self.step_count else []
        drawn = fresh, self.draw_match(), self._draw_training()
        fresh, match, batches = send_nested(drawn, self.pixels.device)
        if fresh:
            self.state = _NETWORK_SGD.start(fresh[0])
        if begins:
            self.keep_in_range()
        loss = self.update(match, self.state[0])
        self._train(batches)
        return {"outer_loss": loss}

    def _draw_training(self) -> list[tuple[Tensor, AugmentParams]]:
        """Draw the rows of the real batches on which the network trains, and their augmentation."""
        augment = augmentation(self.method.network_augment, mixing=True)
        rows = self.train.sample_rows(64 * self.network_batches, self.real_rng).split(64)
        return [(batch, augment.sample(len(batch), self.augment_rng)) for batch in rows]

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor, *given: Tensor) -> Tensor:
        """Return the distance of the gradients of synthetic and real images (classes, n, …).

        given: weights (classes, n) of other means of the synthetic images, whose distances are added.
        """
        net = self.network
        target = class_gradients(net, parameters, real, self.real.weights).detach()
        ours = [class_gradients(net, parameters, synthetic, weights) for weights in (None, *given)]
        return torch.stack([distance(net, each, target, self.method.metric) for each in ours]).sum()

    def _train(self, batches: Sequence[tuple[Tensor, AugmentParams]]) -> None:
        """Train the network on real images."""
        augment = augmentation(self.method.network_augment, mixing=True)

        def make(steps: Sequence[tuple[Tensor, AugmentParams]]) -> tuple[Tensor, Tensor]:
            rows = torch.stack([rows for rows, _ in steps])
            targets = indicators(self.train.labels[rows], self.train.classes)
            return augment_each(augment, self.train.images[rows], targets, [params for _, params in steps])

        self.state = train(self.inner, self.state, _NETWORK_SGD.lr, batches, make)


METHOD = IDC
