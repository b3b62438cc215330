"""Distillers that learn by meta-gradients: what RaT-BPTT and RTP share.

Each outer step trains a fresh network on minibatches of what is learned, augmented, and differentiates
the loss of a real batch through a window of that training.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller
from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import Optimiser
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient, meta_gradient
from suite.core.networks.named import network
from suite.core.precision import Precision, check_precision
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch
from suite.core.spec import Examples
from suite.core.timing import phase
from suite.core.training.augment import Augmentation, AugmentParams, augmentation

Decode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Rows of the class-major synthetic set -> their images and targets, differentiable in what is learned."""


@dataclass(frozen=True)
class InnerTraining:
    """How inner networks are trained.

    ipc: images per class that they see; steps: at most so many inner steps lie in the windows of the whole
    run, and many are worth compiling; checkpoint_every: steps per kept state, None keeps all.
    """

    network: str
    optimiser: Optimiser
    minibatch: Minibatch
    augment: str
    ipc: int
    steps: int
    precision: Precision = "float32"
    checkpoint_every: int | None = None


class MetaLearner(BaseDistiller):
    """A distiller that learns by meta-gradients: a subclass says what is learned, and updates it.

    Raises ValueError where the device of the images cannot multiply at the precision.
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

    @abstractmethod
    def real_rows(self) -> Tensor:
        """Draw the rows of train that judge the final network."""

    @property
    def present(self) -> int:
        """Images per class that inner networks see now."""
        return self.training.ipc

    @property
    def augment(self) -> Augmentation:
        """The augmentation of synthetic and real images."""
        return augmentation(self.training.augment)

    def meta_gradient(self, learned: Sequence[Tensor], decode: Decode, window: Window) -> MetaGradient:
        """Return the meta-gradient of one fresh network for `learned`, leaves that require gradients."""
        sampled = [self._sample() for _ in range(window.before + window.length)]

        def batches(step: int) -> tuple[Tensor, Tensor]:
            rows, params = sampled[step]
            images, targets = decode(rows)
            return self.augment.apply(images, params), targets

        return meta_gradient(
            self.inner,
            self.network.initialise(self.network_rng, self.train.images.device),
            learned,
            batches,
            self._real(),
            window=window,
            checkpoint_every=self.training.checkpoint_every,
        )

    def _sample(self) -> tuple[Tensor, AugmentParams]:
        """Draw an inner step's minibatch and what is done to it."""
        rows = self.training.minibatch.sample(self.train.classes, self.present, self.batch_rng)
        return rows.to(self.train.images.device), self.augment.sample(len(rows), self.augment_rng)

    def _real(self) -> Iterator[Batch]:
        """Draw the real batch that judges the final network."""
        with phase("real batch, drawn"):
            real = self.train.take(self.real_rows().to(self.train.images.device))
            seen = self.augment.apply(real.images, self.augment.sample(len(real), self.augment_rng))
        return chunks(seen, real.labels, whole=self.network.statistics_size > 0)
