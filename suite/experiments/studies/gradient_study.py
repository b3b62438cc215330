"""A study of meta-gradients: their norm and spread, the effect of truncation on them, and their cost.

Feng, Vedantam and Kempe (arXiv 2311.07025) motivate RaT-BPTT by the norm and variance of these
gradients. Here each outer step draws a fresh inner network and measures; nothing is learned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from suite.core.distilling.base import Resumable
from suite.core.distilling.initial_images import Initialisation, check_initial, initial_images
from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.losses import Batch
from suite.core.engine.meta_gradient import StackedBatches, meta_gradient
from suite.core.engine.optimisers import Adam
from suite.core.engine.truncation import TruncationSchedule, Window, check_truncation, place_window
from suite.core.engine.unroll import MetaGradient
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import one_hot
from suite.core.spec import Budget, Examples
from suite.core.training.augment import apply_each, augment_for, augmentation


@dataclass(frozen=True)
class GradientStudy:
    """Measure the meta-gradients of a truncation schedule over fresh networks; learn nothing."""

    initialisations: int = 20  # fresh networks, one an outer step
    unroll: int = 200
    share: float = 0.3  # of the unroll, for the window
    truncation: TruncationSchedule = "random"
    inner_lr: float = 1e-3
    real_batch: int = 5000
    augment: str = "flip-rotate"
    initial: Initialisation = "real"
    network: str = STANDARD

    def __post_init__(self) -> None:
        augmentation(self.augment)
        if not 0 < self.share <= 1:
            raise ValueError(f"share {self.share} must be above 0 and at most 1")
        at_least_one(self, "initialisations", "real_batch")
        check_truncation(self.truncation, self.unroll, self.window)

    @property
    def window(self) -> int:
        """Steps in the window."""
        return max(1, round(self.share * self.unroll))

    def check(self, train: Examples, budget: Budget) -> None:
        """Raise ValueError for a network that does not fit the task, or too few real images."""
        network(self.network, train.shape, train.classes)
        check_initial(train, budget, self.initial)

    def start(self, train: Examples, budget: Budget, *, seed: int) -> "_Measurements":
        """Start with the images whose meta-gradients are measured."""
        return _Measurements(self, train, budget, seed)


class _Measurements(Resumable):
    def __init__(self, method: GradientStudy, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.train, self.seed = method.initialisations, train, seed
        self.method = replace(method, augment=augment_for(method.augment, train))
        self.network = network(method.network, train.shape, train.classes)
        count, steps = train.classes * budget.ipc, method.initialisations * method.unroll
        self.inner = inner_problem(
            self.network,
            Adam(method.inner_lr),
            batch=count,
            steps=steps,
            window=method.unroll,
            device=train.images.device,
        )
        self.images = initial_images(train, budget.ipc, method.initial, seed=seed)
        self.labels = one_hot(train.classes, budget.ipc).to(self.images)
        self.total, self.taken = torch.zeros_like(self.images), 0
        self.window_rng = generator(seed, "window")

    def step(self) -> Mapping[str, float]:
        """Measure one fresh network: the meta-gradient of this schedule and of full BPTT."""
        method = self.method
        window = place_window(
            method.truncation, unroll=method.unroll, window=method.window, rng=self.window_rng
        )
        started = perf_counter()
        found = self._meta_gradient(window).gradients[0]
        norm = float(found.norm())  # waits for the device
        seconds = perf_counter() - started
        full = self._meta_gradient(Window(0, method.unroll)).gradients[0]
        self.total += found
        self.taken += 1
        cosine = torch.cosine_similarity(found.flatten(), full.flatten(), dim=0)
        return {
            "norm": norm,
            "mean_gradient_norm": float((self.total / self.taken).norm()),
            "cosine_to_full": float(cosine),
            "full_norm": float(full.norm()),
            "step_seconds": seconds,
        }

    def _meta_gradient(self, window: Window) -> MetaGradient:
        """Return the meta-gradient of the network of this outer step: the same draws for any window."""
        images, augment = self.images.clone().requires_grad_(), augmentation(self.method.augment)
        targets = self.labels.flatten(0, 1)
        drawn = [
            augment.sample(len(targets), generator(self.seed, "augmentation", self.taken, step))
            for step in range(window.before + window.length)
        ]
        start = self.network.initialise(generator(self.seed, "network", self.taken))
        start, params = send_nested((start, drawn), images.device)

        def make(steps: range) -> tuple[Tensor, Tensor]:
            count, own = len(steps), params[steps.start : steps.stop]
            seen = images.flatten(0, 1).expand(count, -1, -1, -1, -1)
            return apply_each(augment, seen, own), targets.expand(count, -1, -1)

        return meta_gradient(self.inner, start, [images], StackedBatches(make), self._real(), window=window)

    def _real(self) -> Iterator[Batch]:
        rng = generator(self.seed, "real batch", self.taken)
        real = self.train.take(self.train.sample_rows(self.method.real_batch, rng))
        augment = augmentation(self.method.augment)
        seen = augment.apply(real.images, augment.sample(len(real), rng))
        return chunks(seen, real.labels, whole=self.network.statistics_size > 0)
