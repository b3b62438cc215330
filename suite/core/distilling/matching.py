"""Matching real and synthetic images class by class.

Real batches of each class, shared augmentations, mean outputs and gradients of each class.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import log_softmax

from suite.core.engine.classification import CHUNK
from suite.core.networks.named import Network
from suite.core.spec import Examples
from suite.core.training.augment import augmentation


@dataclass(frozen=True)
class RealBatches:
    """The real images of each class, from which batches are drawn; frozen, so not part of a run's state."""

    images: Tensor
    rows: tuple[Tensor, ...]

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw `count` images of each class: (classes, count, channels, height, width).

        With replacement, so that a class may have fewer images than a batch.
        """
        picks = [torch.randint(len(rows), (count,), generator=rng) for rows in self.rows]
        chosen = [rows[pick.to(rows.device)] for rows, pick in zip(self.rows, picks, strict=True)]
        return self.images[torch.stack(chosen)]


def real_batches(train: Examples) -> RealBatches:
    """Return the real batches of `train`."""
    return RealBatches(train.images, tuple(train.by_class()))


def paired(name: str, real: Tensor, synthetic: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Augment real and synthetic images (classes, n, …) with the same parameters within a class.

    name: of the augmentation. The parameters differ from class to class.
    """
    augment, pairs = augmentation(name), []
    for label in range(len(real)):
        shared = augment.sample(1, rng)
        pairs.append((augment.apply(real[label], shared), augment.apply(synthetic[label], shared)))
    reals, synthetics = zip(*pairs, strict=True)
    return torch.stack(reals), torch.stack(synthetics)


def class_means(function: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[Tensor]:
    """Return each class's mean (classes, …) of every tensor (m, …) that `function` returns for m images.

    images: (classes, n, …). They are processed in pieces that fit a CPU's cache.
    """
    pieces = [function(piece) for piece in images.flatten(0, 1).split(CHUNK[images.device.type])]
    return [torch.cat(parts).unflatten(0, images.shape[:2]).mean(1) for parts in zip(*pieces, strict=True)]


def class_gradients(network: Network, parameters: Tensor, images: Tensor) -> Tensor:
    """Return for each class the gradient (classes, size) of the cross-entropy of its images.

    images: (classes, n, …); the result is differentiable in them. Small classes are computed together, which
    takes a third of the time; large ones one by one, because a batch of several does not fit a CPU's cache.
    """
    network.check_independent()
    at_once = CHUNK[images.device.type] // images.shape[1]
    if at_once < 2:
        leaf, deeper = parameters.detach().requires_grad_(), images.requires_grad
        scores = (log_softmax(network.logits(leaf, own), 1) for own in images)
        losses = (-each[:, label].mean() for label, each in enumerate(scores))
        return torch.stack([torch.autograd.grad(loss, leaf, create_graph=deeper)[0] for loss in losses])

    def loss(parameters: Tensor, images: Tensor, label: Tensor) -> Tensor:
        return -(log_softmax(network.logits(parameters, images), 1).mean(0) * label).sum()

    labels = torch.eye(len(images)).to(images)
    found: Tensor = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=at_once)(parameters, images, labels)
    return found


def weights(network: Network, gradients: Tensor) -> Iterator[Tensor]:
    """Split flat gradients (classes, size) into those of each parameter: (classes, *shape)."""
    shapes = [torch.Size(shape) for layer in network.layers for shape in layer.shapes]
    for shape, part in zip(shapes, gradients.split([s.numel() for s in shapes], dim=1), strict=True):
        yield part.unflatten(1, shape)
