"""Learning by meta-gradients, for RaT-BPTT, its variants and RTP.

Each outer step trains a fresh network on augmented minibatches of the synthetic set, and differentiates its
loss on a real batch through a window of that training.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, Stateful
from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.losses import Batch
from suite.core.engine.meta_gradient import StackedBatches, meta_gradient
from suite.core.engine.optimisers import Adam, Optimiser
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient
from suite.core.execution.transfer import send_nested
from suite.core.networks.named import network
from suite.core.precision import Precision, check_precision
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, one_hot
from suite.core.spec import Examples
from suite.core.timing import phase
from suite.core.training.augment import Augmentation, AugmentParams, apply_each

Decode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Map rows (n,) of the class-major set to images and targets, differentiable in the learned tensors."""


@dataclass(frozen=True)
class InnerTraining:
    """The training of inner networks.

    ipc: images per class of the set; window: the most steps of a window; steps: inner steps in all windows of
    a run, from which it is decided whether to compile; checkpoint_every: keep every n-th state, None all.
    """

    network: str
    optimiser: Optimiser
    minibatch: Minibatch
    augment: Augmentation
    ipc: int
    window: int
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
            window=inner.window,
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

        learned: leaves that require gradients; real_rows: rows of train in the real batch, on the CPU; size:
        images per class of the set that `decode` reads.
        """
        augment = self.training.augment
        start, rows, params = self.draws(window.before + window.length, size)
        of_real = augment.sample(len(real_rows), self.augment_rng)
        drawn = start, rows, params, real_rows, of_real
        start, rows, params, real_rows, of_real = send_nested(drawn, self.train.images.device)

        def make(slots: range) -> tuple[Tensor, Tensor]:
            own = rows[slots.start : slots.stop]
            images, targets = (part.unflatten(0, own.shape) for part in decode(own.flatten()))
            return apply_each(augment, images, params[slots.start : slots.stop]), targets

        return meta_gradient(
            self.inner,
            start,
            learned,
            StackedBatches(make),
            self._real(real_rows, of_real),
            window=window,
            checkpoint_every=self.training.checkpoint_every,
        )

    def draws(self, steps: int, size: int) -> tuple[Tensor, Tensor, list[AugmentParams]]:
        """Return what the training of a fresh network draws, on the CPU.

        Its parameters (size,), and for each step the rows (steps, n) of its batch and their augmentation.
        size: images per class of the set.
        """
        minibatch, augment = self.training.minibatch, self.training.augment
        start = self.network.initialise(self.network_rng).to(self.train.images.dtype)
        rows = [minibatch.sample(self.train.classes, size, self.batch_rng) for _ in range(steps)]
        params = [augment.sample(len(each), self.augment_rng) for each in rows]
        return start, torch.stack(rows), params

    def _real(self, rows: Tensor, params: AugmentParams) -> Iterator[Batch]:
        with phase("real batch, drawn"):
            real = self.train.take(rows)
            seen = self.training.augment.apply(real.images, params)
        return chunks(seen, real.labels, whole=self.network.statistics_size > 0)


class AdamParameter(Stateful):
    """A tensor updated by Adam, unless its gradient is not finite; it never waits for the device."""

    def __init__(self, value: Tensor, lr: float) -> None:
        self.rule = Adam(lr)
        self.state = self.rule.start(value)  # (3, *shape): the value and Adam's moments
        self.adam_age = value.new_zeros(())  # number of applied gradients, for Adam's bias correction

    @property
    def value(self) -> Tensor:
        """The current value of the tensor."""
        return self.state[0]

    def step(self, gradient: Tensor, finite: Tensor, *, lr_share: float = 1.0) -> None:
        """Take a step of Adam at `lr_share` times the learning rate if `finite`, a 0-dim bool, is true."""
        self.adam_age = self.adam_age + finite
        lr, corrections = lr_share * self.rule.lr, self.rule.corrections(self.adam_age)
        self.state = torch.where(finite, self.rule.update(self.state, gradient, lr, corrections), self.state)

    def restart(self) -> None:
        """Reset the moments."""
        self.state[1:] = 0
        self.adam_age.zero_()


class NormClip(Stateful):
    """Scale gradients down to at most `factor` times the running average of their norms.

    The average has decay 0.9 and includes the new norm before that norm is limited. Non-finite gradients are
    left out.
    """

    def __init__(self, factor: float, like: Tensor) -> None:
        self.factor = factor
        self.average = like.new_zeros(())
        self.count = like.new_zeros(())  # number of averaged norms

    def __call__(self, gradient: Tensor, norm: Tensor, finite: Tensor) -> Tensor:
        """Return the gradient with its norm limited; finite: a 0-dim bool."""
        self.count = self.count + finite
        average = torch.where(self.count > 1, 0.9 * self.average + 0.1 * norm, norm)
        self.average = torch.where(finite, average, self.average)
        limit = self.factor * self.average
        return torch.where(norm > limit, gradient * (limit / norm), gradient)

    def restart(self) -> None:
        """Begin a new average."""
        self.count.zero_()


class LearnedSet(Stateful):
    """Images (classes, n, …) and their labels, updated by Adam."""

    def __init__(self, images: Tensor, lr: float) -> None:
        self.images = AdamParameter(images, lr)
        self.labels = AdamParameter(one_hot(*images.shape[:2], like=images), lr)

    def step(self, gradients: Sequence[Tensor], finite: Tensor, *, lr_share: float = 1.0) -> None:
        """Update the images, and the labels if they have a gradient; labels stay non-negative, of any sum."""
        for parameter, gradient in zip((self.images, self.labels), gradients, strict=False):
            parameter.step(gradient, finite, lr_share=lr_share)
        self.labels.value.clamp_(min=0)
