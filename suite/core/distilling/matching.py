"""Class-wise matching of real and synthetic images: batches, augmentations, mean outputs and gradients."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import log_softmax

from suite.core.engine.classification import CHUNK
from suite.core.networks.named import Network
from suite.core.spec import Examples
from suite.core.training.augment import AugmentParams, apply_each, augmentation


@dataclass(frozen=True)
class RealBatches:
    """The real images of each class, for drawing batches; frozen, so not part of a run's state."""

    images: Tensor
    rows: tuple[Tensor, ...]  # on the host, as are all rows that are drawn

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw the rows (classes, count) of a batch.

        They are drawn with replacement, so a class may have fewer images than a batch.
        """
        return torch.stack([rows[torch.randint(len(rows), (count,), generator=rng)] for rows in self.rows])

    def draw_distinct(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw distinct rows (n,), at most `count` of each class, class by class."""
        return torch.cat([rows[torch.randperm(len(rows), generator=rng)[:count]] for rows in self.rows])


def real_batches(train: Examples) -> RealBatches:
    """Return the real batches of `train`."""
    return RealBatches(train.images, tuple(train.rows_by_class()))


@dataclass(frozen=True)
class Pairing:
    """The augmentation `name` with one draw of parameters for each class."""

    name: str
    params: tuple[AugmentParams, ...]

    def apply(self, real: Tensor, synthetic: Tensor) -> tuple[Tensor, Tensor]:
        """Augment real and synthetic images (classes, n, …) with the same parameters within a class."""
        augment = augmentation(self.name)
        return apply_each(augment, real, self.params), apply_each(augment, synthetic, self.params)


def draw_pairing(name: str, classes: int, rng: torch.Generator) -> Pairing:
    """Draw the parameters of the augmentation `name` for each class."""
    return Pairing(name, tuple(augmentation(name).sample(1, rng) for _ in range(classes)))


def class_means(function: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[Tensor]:
    """Return each class's mean (classes, …) of every tensor (m, …) that `function` returns for m images.

    images: (classes, n, …). They are processed in pieces that fit a CPU's cache.
    """
    pieces = [function(piece) for piece in images.flatten(0, 1).split(CHUNK[images.device.type])]
    return [torch.cat(parts).unflatten(0, images.shape[:2]).mean(1) for parts in zip(*pieces, strict=True)]


def class_gradients(network: Network, parameters: Tensor, images: Tensor) -> Tensor:
    """Return for each class the gradient (classes, size) of the cross-entropy of its images.

    images: (classes, n, …); the result is differentiable in them. Small classes are computed together, which
    takes a third of the time. Large classes are computed one by one, because a CPU's cache is too small.
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

    labels = torch.eye(len(images), dtype=images.dtype, device=images.device)
    found: Tensor = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=at_once)(parameters, images, labels)
    return found


def weights(network: Network, gradients: Tensor) -> Iterator[Tensor]:
    """Split flat gradients (classes, size) into the gradients (classes, *shape) of each parameter."""
    shapes = [torch.Size(shape) for layer in network.layers for shape in layer.shapes]
    for shape, part in zip(shapes, gradients.split([s.numel() for s in shapes], dim=1), strict=True):
        yield part.unflatten(1, shape)
