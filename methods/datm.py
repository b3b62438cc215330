"""DATM: trajectory matching from early to later epochs, with learned soft labels.

Guo et al., "Towards lossless dataset distillation via difficulty-aligned trajectory matching", ICLR 2024,
arXiv 2310.05773. Experts are FTD's. DATM changes MTT in four more ways. Segments start in a range of epochs
that depends on the set's size and grows from early to later epochs. Logits are learned with the images; they
start from the mean over the experts that classify the image correctly. Initial images are real images that an
expert classifies correctly. Steps with a loss above `threshold` are skipped.
Difference from the official code: only the first expert selects initial images (there others are used if it
has too few).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import SGD

from suite.core.distilling.experts import correctly_classified
from suite.core.distilling.trajectory_segments import TrajectorySegments
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform, later
from suite.plugins.methods.ftd import FlatMTT
from suite.plugins.methods.mtt import MTT, MTTDistiller, settings


@dataclass(frozen=True)
class DATM(FlatMTT):
    """Match trajectories from early to later epochs, with labels that are learned as logits."""

    # Earlier releases had MTT's experts.
    rho: float = later(0.01, before=0.0)  # how far uphill experts look; 0: MTT's experts
    alpha: float = later(0.3)  # share of their gradient, orthogonal to that uphill, that is subtracted

    steps: int = 10_000
    syn_steps: int = 80
    expert_epochs: int = 2
    min_start_epoch: int = 0  # segments start at or after this epoch
    early_max_start_epoch: int | None = 10  # and at first before this epoch; None: max_start_epoch throughout
    max_start_epoch: int = 20  # and later before this epoch
    growth: int = 1000  # outer steps until max_start_epoch is reached
    image_lr: float = 100.0
    label_lr: float = 2.0
    label_momentum: float = 0.9
    threshold: float | None = 1.0  # skip steps with a larger loss; None for no threshold
    trained_epochs: int = 100

    title: ClassVar[str] = "DATM: difficulty-aligned trajectory matching"
    paper: ClassVar[str] = "arXiv 2310.05773"
    recipe: ClassVar[str] = "datm-1000"
    batch_norm: ClassVar[bool] = False  # experts predict labels without running statistics
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {**MTT.space, "label_lr": LogUniform(0.2, 200.0)}
    smoke: ClassVar[Mapping[str, Any]] = {**MTT.smoke, "early_max_start_epoch": 1, "growth": 2}
    # From the authors' configuration files (commit 97ae510); batches that take the whole set are left out.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 1): {
            **settings(80, 2, 4, 100.0, 1e-7, 0.01, None),
            "early_max_start_epoch": None,
            "label_lr": 5.0,
            "threshold": 1.1,
        },
        ("cifar10", 10): settings(80, 2, 20, 100.0, 1e-5, 0.01, 100),
        ("cifar10", 50): {
            **settings(80, 2, 40, 1000.0, 1e-5, 0.01, 500),
            "early_max_start_epoch": 20,
            "growth": 2000,
        },
        **{
            ("cifar10", ipc): {
                **settings(steps, 2, 60, 50.0, 1e-5, 0.01, 1000),
                "min_start_epoch": 40,
                "early_max_start_epoch": None,
                "label_lr": 10.0,
            }
            for ipc, steps in ((500, 40), (1000, 100))
        },
        ("cifar100", 1): {**settings(40, 3, 20, 1000.0, 1e-5, 0.01, None), "label_lr": 10.0},
        ("cifar100", 10): {
            **settings(80, 2, 50, 1000.0, 1e-5, 0.01, None),
            "early_max_start_epoch": 30,
            "growth": 2000,
            "label_lr": 10.0,
        },
        ("cifar100", 50): {
            **settings(80, 2, 70, 1000.0, 1e-5, 0.01, 1000),
            "min_start_epoch": 20,
            "early_max_start_epoch": None,
            "label_lr": 10.0,
        },
        ("cifar100", 100): {
            **settings(80, 2, 70, 50.0, 1e-5, 0.01, 1000),
            "min_start_epoch": 30,
            "early_max_start_epoch": None,
            "label_lr": 10.0,
        },
        ("tiny-imagenet", 1): {
            **settings(40, 2, 20, 10_000.0, 1e-4, 0.01, None),
            "early_max_start_epoch": 15,
            "growth": 2000,
            "label_lr": 10.0,
        },
        ("tiny-imagenet", 10): {
            **settings(40, 2, 50, 100.0, 1e-4, 0.01, 500),
            "min_start_epoch": 10,
            "early_max_start_epoch": None,
            "label_lr": 10.0,
        },
        ("tiny-imagenet", 50): {
            **settings(20, 2, 70, 100.0, 1e-4, 0.01, 1000),
            "min_start_epoch": 40,
            "early_max_start_epoch": None,
            "label_lr": 10.0,
        },
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "growth")
        above_zero(self, "label_lr", "threshold")
        not_negative(self, "label_momentum")
        if self.initial != "real":
            raise ValueError(f"initial {self.initial!r}: DATM starts from real images; set initial = 'real'")

    @property
    def segments(self) -> TrajectorySegments:
        """The segments of expert trajectories to match."""
        bounds = self.min_start_epoch, self.max_start_epoch, self.early_max_start_epoch
        return TrajectorySegments(self.expert_epochs, *bounds, self.growth)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the experts, or train the missing ones, and start."""
        return DATMDistiller(self, train, budget, seed)


class DATMDistiller(MTTDistiller):
    """One run of DATM; its `labels` are logits."""

    method: DATM

    def __init__(self, method: DATM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        images, self.labels = correctly_classified(self.experts, self.network, train, budget.ipc, seed=seed)
        self.images.copy_(images)
        self.optimiser.add_param_group(
            {"params": [self.labels], "lr": method.label_lr, "momentum": method.label_momentum}
        )

    def step(self) -> Mapping[str, float | Tensor]:
        """Take one outer step, unless the loss is above the threshold."""
        drawn, learned = self.draw(), [self.images, self.labels]
        self.last = self.meta_gradient(drawn, learned, probabilities)
        self.set_gradients(learned)
        if self.method.threshold is None:
            self.optimiser.step()
        else:
            step_if(self.optimiser, self.last.loss <= self.method.threshold)
        return self.metrics(drawn.epoch)

    def synthetic(self) -> SyntheticSet:
        """Return the images, the labels as probabilities, and the learned rate."""
        return SyntheticSet(self.images.clone(), probabilities(self.labels), lr=float(self.student_lr))


def probabilities(logits: Tensor) -> Tensor:
    """Return the softmax of logits (…, classes)."""
    return logits.softmax(-1)


def step_if(optimiser: SGD, taken: Tensor) -> None:
    """Take a step of SGD if `taken`, a 0-dim bool, is true; does not wait for the device."""
    before = {value: (value.clone(), _velocity(optimiser, value)) for value in _values(optimiser)}
    optimiser.step()
    for value, (kept, velocity) in before.items():
        value.copy_(torch.where(taken, value, kept))
        if (moved := optimiser.state[value].get("momentum_buffer")) is not None:
            moved.copy_(torch.where(taken, moved, 0.0 if velocity is None else velocity))


def _values(optimiser: SGD) -> list[Tensor]:
    return [value for group in optimiser.param_groups for value in group["params"]]


def _velocity(optimiser: SGD, value: Tensor) -> Tensor | None:
    velocity = optimiser.state[value].get("momentum_buffer")
    return None if velocity is None else velocity.clone()


METHOD = DATM
