"""G-VBSM: recover images from several networks, by the statistics of batch norms and convolutions.

Shao et al., "Generalized large-scale data condensation via various backbone and statistical matching", CVPR
2024, arXiv 2311.17950. Each step takes the next of several teachers. Matched are running averages of the
statistics of a batch, of which only the present part has a gradient. The eigenvalues of the similarities of a
class's images are kept even. The native recipes take the mean logits of all teachers for every batch.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, kl_div

from suite.core.distilling.decoupled.recovery import RecoveryDistiller, RecoveryMethod
from suite.core.distilling.decoupled.statistics import (
    CONVOLUTION,
    all_statistics,
    mean_statistics,
)
from suite.core.execution.transfer import send
from suite.core.limits import above_zero, not_negative
from suite.core.networks.named import Network, network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Teacher
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import Augmentation, augment_for, augmentation
from suite.core.training.cached import cached_training
from suite.core.training.recipes import recipe_on_real
from suite.plugins.methods.sre2l import FAMILIES

MEASURED_BATCH = 64
"""Real images whose statistics are measured together."""

POOLED = 32
"""Largest side of the images whose similarities are computed."""


@dataclass(frozen=True)
class GVBSM(RecoveryMethod):
    """Recover images by the statistics of several trained networks, one of them in each step."""

    steps: int = 4000
    image_lr: float = 0.05
    jitter: int = 32
    training: str = "g-vbsm-squeeze-50"
    epochs: int = 5
    teachers: tuple[str, ...] = ()  # networks; () takes four families as wide as `network`
    augment: str = "crop+flip"  # of the views in recovery; one draw for a batch
    averaging: float = 0.8  # weight of earlier statistics in the matched ones
    dropped: float = 0.4  # share of the convolutions that are left out in a step
    density_weight: float = 1.0  # of the eigenvalues' loss
    temperature: float = 4.0  # of the eigenvalues that it aims at

    matched: ClassVar[str] = "convolutions"
    title: ClassVar[str] = "G-VBSM: various backbone and statistical matching"
    paper: ClassVar[str] = "arXiv 2311.17950"
    recipe: ClassVar[str] = "g-vbsm-1000"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        ("cifar100", ANY_SIZE): "g-vbsm-cifar100-1000",
        ("tiny-imagenet", ANY_SIZE): "g-vbsm-tiny-100",
        **{(family, ANY_SIZE): "g-vbsm-300" for family in FAMILIES},
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 4,
        "epochs": 1,
        "batch": 10,
        "network": "convnet-d1-w8-in",
        "teachers": ("", "convnet-d2-w4-bn"),
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "image_lr": LogUniform(0.01, 0.5),
        "match_weight": LogUniform(1e-3, 1.0),
    }
    # The authors' commands; for CIFAR-10 the defaults.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", ANY_SIZE): {},
        ("cifar100", ANY_SIZE): {"epochs": 50},
        ("tiny-imagenet", ANY_SIZE): {"epochs": 50},
        **{
            (family, ANY_SIZE): {
                "image_lr": 0.1,
                "batch": 80,
                "augment": "resize+flip",
                "averaging": 0.4,
                "dropped": 0.0,
            }
            for family in FAMILIES
        },
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        (family, ANY_SIZE): "the authors' for ImageNet-1k" for family in FAMILIES[1:]
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        augmentation(self.augment)
        above_zero(self, "temperature")
        not_negative(self, "averaging", "dropped", "density_weight")
        for name in ("averaging", "dropped"):
            if (value := getattr(self, name)) >= 1:
                raise ValueError(f"{name} {value} must be less than 1")

    def teacher_names(self, train: Examples) -> list[str]:
        """Return the given teachers, "" being `network`.

        By default that network, and ResNet-18, VGG-11 and AlexNet with batch norm and of a width in
        proportion, as far as the images are large enough: at width 128 the field's networks.
        """
        if self.teachers:
            return [name or self.network for name in self.teachers]
        found = {self.network: self.network}
        width = re.search(r"-w(\d+)", self.network)
        half = max(1, int(width[1]) // 2) if width else 64
        for name in (f"resnet18-w{half}-bn", f"vgg11-w{half}-bn", f"alexnet-w{2 * half}-bn"):
            with suppress(ValueError):  # the images are too small
                found[name] = network(name, train.shape, train.classes).name
        return list(found)

    def teaches(self, net: Network) -> bool:
        """Return whether a network has convolutions; one without batch norm is matched by these alone."""
        return any(len(shape) == 4 for layer in net.layers for shape in layer.shapes)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the teachers and what they see on train, or train and measure them, and start from noise."""
        return GVBSMDistiller(self, train, budget, seed)


@dataclass(frozen=True)
class Seen:
    """A teacher's statistics on train (n,), one layer after the other, and their sizes in each layer."""

    flat: Tensor
    sizes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Taught:
    """What all teachers have seen."""

    by_teacher: tuple[Seen, ...]


class GVBSMDistiller(RecoveryDistiller):
    """One run of G-VBSM."""

    method: GVBSM

    def __init__(self, method: GVBSM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        pairs = zip(self.known.networks, self.known.teachers, strict=True)
        found = [on_train(train, net, teacher, method) for net, teacher in pairs]
        self.seen = Taught(tuple(seen for seen, _ in found))
        self.cached_seconds += sum(seconds for _, seconds in found)
        longest = max(len(each.flat) for each in self.seen.by_teacher)
        shape = len(self.known.teachers), len(self.batches()), longest
        self.averages = torch.zeros(shape).to(train.images)  # they begin at zero, as in the authors' code
        self.drop_rng = generator(seed, "dropped")

    def batches(self) -> Sequence[Tensor]:
        """Return the class-major rows (n,) of each batch, class after class."""
        return list(torch.arange(self.train.classes * self.ipc).split(self.method.batch))

    @property
    def views(self) -> Augmentation:
        """The augmentation, without flips on digits."""
        return augmentation(augment_for(self.method.augment, self.train))

    def loss(self, seen: Tensor, labels: Tensor, batch: int) -> Tensor:
        """Return the cross-entropy, the weighted distance of statistics, and the eigenvalues' loss."""
        method, turn = self.method, self.step_count % len(self.known.teachers)
        net, teacher = self.known.networks[turn], self.known.teachers[turn]
        known = self.seen.by_teacher[turn]
        left_out = self._left_out(known)
        logits, found = all_statistics(net, teacher.parameters, seen, left_out)
        gaps = self._gaps(found, known, self.averages[turn, batch])
        classes = (self.batches()[batch] // self.ipc).unique_consecutive(return_counts=True)[1]
        even = density(seen, classes.tolist(), method.temperature)
        return (
            cross_entropy(logits, labels)
            + method.match_weight * self.weighted(gaps)
            + method.density_weight * even
        )

    def _left_out(self, known: Seen) -> set[int]:
        """Draw the numbers of the layers that this step leaves out, which are convolutions."""
        drawn = torch.rand(len(known.sizes), generator=self.drop_rng) < self.method.dropped
        out = zip(drawn.tolist(), known.sizes, strict=True)
        return {number for number, (left, sizes) in enumerate(out) if left and len(sizes) == CONVOLUTION}

    def _gaps(self, found: Sequence[Sequence[Tensor]], seen: Seen, averages: Tensor) -> list[Tensor]:
        """Return each layer's distance of the averaged statistics, and average those of this step in."""
        gaps, start = list[Tensor](), 0
        for own, sizes in zip(found, seen.sizes, strict=True):
            total = seen.flat.new_zeros(())
            for value, size in zip(own, sizes, strict=bool(own)):
                part = slice(start, start + size)
                averages[part] = torch.lerp(value.detach(), averages[part], self.method.averaging)
                matched = averages[part] + value - value.detach()
                total = total + (seen.flat[part] - matched).norm()
                start += size
            start += 0 if own else sum(sizes)
            gaps.append(total)
        return gaps


def density(images: Tensor, counts: Sequence[int], temperature: float) -> Tensor:
    """Return how uneven the eigenvalues of the similarities of each class's images are, summed over classes.

    It is the divergence of the softmax of the eigenvalues from the same, softened by `temperature`. images:
    (n, …), sorted by class; counts: of each class.
    """
    small = adaptive_avg_pool2d(images, POOLED) if min(images.shape[2:]) > POOLED else images
    total = images.new_zeros(())
    for own in small.flatten(1).split(list(counts)):
        values = torch.linalg.eigvalsh(own @ own.t())
        aim = (values / temperature).softmax(0).detach()
        total = total + kl_div(values.log_softmax(0), aim, reduction="sum")
    return total


def on_train(train: Examples, net: Network, teacher: Teacher, method: GVBSM) -> tuple[Seen, float]:
    """Return a teacher's statistics on augmented train, and the seconds of cached work to charge."""
    name = augment_for("crop+flip", train)
    augment, parameters = augmentation(name), teacher.parameters
    _, some = all_statistics(net, parameters, train.images[:2])

    def build() -> Tensor:
        rng = generator(0, "statistics")
        (order,) = send([torch.randperm(len(train), generator=rng)], train.images.device)
        batches = order.split(MEASURED_BATCH)
        views = (augment.apply(train.images[rows], augment.sample(len(rows), rng)) for rows in batches)
        found = mean_statistics(net, parameters, views, len(train))
        return torch.cat([value for own in found for value in own])

    how = [net.name, asdict(recipe_on_real(method.training)), method.epochs, name]
    flat, seconds = cached_training("statistics", train, how, build)
    return Seen(flat, tuple(tuple(len(value) for value in own) for own in some)), seconds


METHOD = GVBSM
