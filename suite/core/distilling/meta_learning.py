"""Learning by meta-gradients: what RaT-BPTT, its relatives and RTP share.

Each outer step trains a fresh network on augmented minibatches of what is learned, and differentiates its
loss on a real batch through a window of that training.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, Stateful
from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import Adam, Optimiser
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient, meta_gradient
from suite.core.networks.named import network
from suite.core.precision import Precision, check_precision
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, one_hot
from suite.core.spec import Examples
from suite.core.timing import phase
from suite.core.training.augment import Augmentation, AugmentParams

Decode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Rows of the class-major synthetic set -> images and targets, differentiable in what is learned."""


@dataclass(frozen=True)
class InnerTraining:
    """How inner networks are trained.

    ipc: images per class of the set; steps: inner steps in all windows of a run, which decides whether
    compiling pays; checkpoint_every: steps per kept state, None keeps all.
    """

    network: str
    optimiser: Optimiser
    minibatch: Minibatch
    augment: Augmentation
    ipc: int
    steps: int
    precision: Precision = "float32"
    checkpoint_every: int | None = None


class MetaLearner(BaseDistiller):
    """A distiller that learns by meta-gradients.

    Raises ValueError if the device of the images does not support the precision.
    """

    def __init__(self, inner: InnerTraining, train: Examples, seed: int) -> None:
        check_precision(inner.precision, train.images.device)
        self.train, self.training = train, inner
        self.network = network(inner.network, train.shape, train.classes)
        batch = inner.minibatch.sample(train.classes, inner.ipc, torch.Generator())
        self.inner = inner_problem(
            self.network,
            inner.optimiser,
            batch=len(batch),
            steps=inner.steps,
            device=train.images.device,
            precision=inner.precision,
        )
        self.network_rng = generator(seed, "networks")
        self.batch_rng = generator(seed, "minibatches")
        self.real_rng = generator(seed, "real batches")
        self.augment_rng = generator(seed, "augmentation")

    def meta_gradient(
        self, learned: Sequence[Tensor], decode: Decode, window: Window, real_rows: Tensor, *, size: int
    ) -> MetaGradient:
        """Return the meta-gradient of one fresh network.

        learned: leaves that require gradients; real_rows: of train, the real batch; size: images per class
        of the set that `decode` reads.
        """
        sampled = [self._sample(size) for _ in range(window.before + window.length)]

        def batches(step: int) -> tuple[Tensor, Tensor]:
            rows, params = sampled[step]
            images, targets = decode(rows)
            return self.training.augment.apply(images, params), targets

        return meta_gradient(
            self.inner,
            self.network.initialise(self.network_rng).to(self.train.images),
            learned,
            batches,
            self._real(real_rows),
            window=window,
            checkpoint_every=self.training.checkpoint_every,
        )

    def _sample(self, size: int) -> tuple[Tensor, AugmentParams]:
        """Draw the rows of an inner step's minibatch, and their augmentation."""
        rows = self.training.minibatch.sample(self.train.classes, size, self.batch_rng)
        return rows.to(self.train.images.device), self.training.augment.sample(len(rows), self.augment_rng)

    def _real(self, rows: Tensor) -> Iterator[Batch]:
        with phase("real batch, drawn"):
            real = self.train.take(rows.to(self.train.images.device))
            seen = self.training.augment.apply(
                real.images, self.training.augment.sample(len(real), self.augment_rng)
            )
        return chunks(seen, real.labels, whole=self.network.statistics_size > 0)


class AdamParameter(Stateful):
    """A tensor that Adam moves, unless its gradient is not finite. Nothing in it waits for the device."""

    def __init__(self, value: Tensor, lr: float) -> None:
        self.rule = Adam(lr)
        self.state = self.rule.start(value)  # (3, *shape): the value and Adam's moments
        self.adam_age = value.new_zeros(())  # gradients applied, by which Adam corrects its bias

    @property
    def value(self) -> Tensor:
        """The tensor as it stands now."""
        return self.state[0]

    def step(self, gradient: Tensor, finite: Tensor, *, lr_share: float = 1.0) -> None:
        """Take Adam's step at `lr_share` of the learning rate if `finite`, a 0-dim bool, is true."""
        self.adam_age = self.adam_age + finite
        lr, corrections = lr_share * self.rule.lr, self.rule.corrections(self.adam_age)
        self.state = torch.where(finite, self.rule.update(self.state, gradient, lr, corrections), self.state)

    def restart(self) -> None:
        """Forget the moments."""
        self.state[1:] = 0
        self.adam_age.zero_()


class NormClip(Stateful):
    """Scales gradients down to `factor` times the running average of their norms.

    The average has decay 0.9 and takes in the new norm before it limits it. Gradients that are not finite
    are left out.
    """

    def __init__(self, factor: float, like: Tensor) -> None:
        self.factor = factor
        self.average = like.new_zeros(())
        self.count = like.new_zeros(())  # norms averaged

    def __call__(self, gradient: Tensor, norm: Tensor, finite: Tensor) -> Tensor:
        """Return the gradient, no longer than the limit; finite: a 0-dim bool."""
        self.count = self.count + finite
        average = torch.where(self.count > 1, 0.9 * self.average + 0.1 * norm, norm)
        self.average = torch.where(finite, average, self.average)
        limit = self.factor * self.average
        return torch.where(norm > limit, gradient * (limit / norm), gradient)

    def restart(self) -> None:
        """Begin a new average."""
        self.count.zero_()


class LearnedSet(Stateful):
    """Images (classes, n, …) and their labels, moved by Adam."""

    def __init__(self, images: Tensor, lr: float) -> None:
        self.images = AdamParameter(images, lr)
        self.labels = AdamParameter(one_hot(*images.shape[:2]).to(images), lr)

    def step(self, gradients: Sequence[Tensor], finite: Tensor, *, lr_share: float = 1.0) -> None:
        """Move the images, and the labels if they have a gradient: these stay non-negative, of any sum."""
        for parameter, gradient in zip((self.images, self.labels), gradients, strict=False):
            parameter.step(gradient, finite, lr_share=lr_share)
        self.labels.value.clamp_(min=0)
