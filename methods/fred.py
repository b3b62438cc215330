"""FreD: trajectory matching on images that are stored by a few frequencies of their cosine transforms.

Shin, Shin and Moon, "Frequency domain-based dataset distillation", NeurIPS 2023, arXiv 2311.08819: the
variant of the main table, on MTT. Each class keeps the frequencies at which its initial real images vary
most. Their coefficients are learned in place of pixels, so that `per_image` images take the bytes of one.
The bytes of the masks count here, and not in the paper, so that images have fewer frequencies: at one image
per class of CIFAR-10 63 of 1024 in place of 64.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.limits import at_least_one, check_enough_real
from suite.core.sets.parametrisations import Frequencies
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import UNPUBLISHED, Budget, Choice, Distiller, Examples, LogUniform
from suite.plugins.methods.mtt import MTT, MTTDistiller, settings

_LOWEST_LR = 1e-3  # of the students
_SMALL = "the authors' trajectories, the rate and images of CIFAR-10 at 1 image, mtt's batches"
_LARGE = "the authors' trajectories, the rate and images of ImageNet-A at 1 image, mtt's batches"
_FEW_REAL = {("cifar100", 50), ("tiny-imagenet", 50)}  # 500 of each class, and 800 would be stored

# Inner steps, expert epochs, bound of the first epoch, rate of the students' rate, that rate at first.
_TRAJECTORIES: Mapping[tuple[str, int], tuple[int, int, int, float, float]] = {
    ("cifar10", 1): (50, 2, 5, 1e-7, 0.01),
    ("cifar10", 10): (40, 2, 15, 1e-5, 0.01),
    ("cifar10", 50): (30, 2, 40, 1e-5, 0.001),
    ("cifar100", 1): (50, 2, 15, 1e-5, 0.01),
    ("cifar100", 10): (20, 2, 40, 1e-5, 0.01),
    ("cifar100", 50): (80, 2, 40, 1e-5, 0.01),
    ("svhn", 1): (50, 2, 5, 1e-7, 0.01),
    ("svhn", 10): (30, 2, 15, 1e-5, 0.01),
    ("svhn", 50): (40, 2, 40, 1e-5, 0.001),
    ("mnist", 1): (50, 2, 5, 1e-7, 0.01),
    ("mnist", 10): (30, 2, 15, 1e-5, 0.01),
    ("fashion-mnist", 1): (50, 2, 5, 1e-7, 0.01),
    ("fashion-mnist", 10): (60, 2, 15, 1e-5, 0.01),
    ("tiny-imagenet", 1): (30, 2, 30, 1e-4, 0.01),
    ("tiny-imagenet", 10): (40, 2, 40, 1e-4, 0.01),
    ("tiny-imagenet", 50): (40, 2, 40, 1e-4, 0.01),
    **{
        (f"image{subset}-128", ipc): (20, 2, 10, 1e-6, 0.01)
        for subset in ("nette", "woof")
        for ipc in (1, 10)
    },
}


def _settings(key: tuple[str, int]) -> dict[str, Any]:
    """Return the authors' settings for a task and a size, with what they leave out as `borrowed` says."""
    steps, epochs, bound, lr_lr, lr = _TRAJECTORIES[key]
    large, batch = key[0].endswith("-128"), MTT.published.get(key, {}).get("batch")
    made = settings(steps, epochs, bound, 1e9 if large else 1e8, lr_lr, lr, batch)
    return {**made, "per_image": 8 if large or key in _FEW_REAL else 16}


@dataclass(frozen=True)
class FreD(MTT):
    """Match trajectories on images of a few learned frequencies; each class has its own."""

    steps: int = 15_000
    per_image: int = 16  # images in the bytes of one
    syn_steps: int = 50
    expert_epochs: int = 2
    max_start_epoch: int = 5
    image_lr: float = 1e8  # of the coefficients
    lr_lr: float = 1e-7

    title: ClassVar[str] = "FreD: frequency domain-based distillation"
    paper: ClassVar[str] = "arXiv 2311.08819"
    smoke: ClassVar[Mapping[str, Any]] = {**MTT.smoke, "per_image": 4, "image_lr": 1e4}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        **MTT.space,
        "image_lr": LogUniform(1e6, 1e10),
    }
    # From the authors' code, which has trajectories for every size, but rate and frequencies for two.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        key: _settings(key) for key in _TRAJECTORIES
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        **{
            key: _LARGE if key[0].endswith("-128") else _SMALL
            for key in _TRAJECTORIES
            if key != ("cifar10", 1)
        },
        ("mnist", 50): UNPUBLISHED,
        ("fashion-mnist", 50): UNPUBLISHED,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "per_image")
        if self.initial != "real":
            raise ValueError(f"initial {self.initial!r}: FreD starts from real images; set initial = 'real'")

    def sizes(self, train: Examples, budget: Budget) -> tuple[int, int]:
        """Return the images of each class, and the frequencies of each that fit in beside the mask."""
        channels, *sides = train.shape
        images, mask = budget.ipc * self.per_image, -(-prod(sides) // 8)
        return images, (4 * budget.ipc * prod(train.shape) - mask) // (4 * channels * images)

    def check(self, train: Examples, budget: Budget) -> None:
        """Also refuse too few real images for the start, and bytes that are too few for one frequency."""
        images, frequencies = self.sizes(train, budget)
        check_enough_real(train, budget, each=self.per_image, by="per_image")
        super().check(train, Budget(images))
        if frequencies < 1:
            raise ValueError(f"per_image {self.per_image} leaves no byte for a frequency; lower it")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the experts, or train the missing ones, and start from the frequencies of real images."""
        return FreDDistiller(self, train, budget, seed)


class FreDDistiller(MTTDistiller):
    """One run of FreD."""

    method: FreD

    def __init__(self, method: FreD, train: Examples, budget: Budget, seed: int) -> None:
        count, frequencies = method.sizes(train, budget)
        super().__init__(method, train, Budget(count), seed)
        first = Frequencies.of(self.images, frequencies)
        del self.images
        self.coefficients, self.mask = first.coefficients.requires_grad_(), first.mask
        self.height, self.width = first.height, first.width
        self.optimiser.param_groups[0]["params"] = [self.coefficients]

    @property
    def code(self) -> Frequencies:
        """The images' code as it stands."""
        return Frequencies(self.coefficients, self.mask, self.height, self.width)

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step."""
        drawn, images = self.draw(), self.code.decode()
        found = self.meta_gradient(drawn, [images.detach()])
        gradients = torch.autograd.grad(images, [self.coefficients], found.gradients)
        self.last = replace(found, gradients=gradients)
        self.set_gradients([self.coefficients])
        self.optimiser.step()
        self.student_lr.clamp_(min=_LOWEST_LR)
        return self.metrics(drawn.epoch)

    def synthetic(self) -> SyntheticSet:
        """Return the decoded images with their frequencies and the learned rate."""
        code = replace(self.code, coefficients=self.coefficients.detach().clone(), mask=self.mask.clone())
        return replace(SyntheticSet.from_parametrisation(code), lr=float(self.student_lr))


METHOD = FreD
