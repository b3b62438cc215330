"""Class-wise matching of real and synthetic images: batches, augmentations, mean outputs and gradients."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import log_softmax

from suite.core.engine.classification import CHUNK
from suite.core.execution.transfer import send
from suite.core.networks.named import Network
from suite.core.spec import Examples
from suite.core.training.augment import AugmentParams, apply_each, augmentation


@dataclass(frozen=True)
class RealBatches:
    """The real images of each class, for drawing batches; frozen, so not part of a run's state.

    weights: (classes, width) of the rows of a batch in a class's mean, where a class has fewer images than
    others; None: all weigh the same.
    """

    images: Tensor
    rows: tuple[Tensor, ...]  # on the host, as are all rows that are drawn
    width: int
    weights: Tensor | None

    def draw(self, rng: torch.Generator) -> Tensor:
        """Draw the rows (classes, width) of a batch: distinct images, or the whole class if it has no more.

        Smaller classes are filled up with images of weight 0.
        """
        return torch.stack([_filled(own, self.width) for own in self._distinct(rng)])

    def draw_distinct(self, rng: torch.Generator) -> Tensor:
        """Draw distinct rows (n,) of every class, class by class, without filling up."""
        return torch.cat(self._distinct(rng))

    def _distinct(self, rng: torch.Generator) -> list[Tensor]:
        return [rows[torch.randperm(len(rows), generator=rng)[: self.width]] for rows in self.rows]


def _filled(rows: Tensor, width: int) -> Tensor:
    return rows if len(rows) == width else torch.cat([rows, rows[:1].expand(width - len(rows))])


def real_batches(train: Examples, count: int) -> RealBatches:
    """Return the real batches of `train`, of `count` images of each class, or of all that a class has."""
    rows = tuple(train.rows_by_class())
    sizes = torch.tensor([min(count, len(own)) for own in rows])
    width = int(sizes.max())
    weights = (torch.arange(width) < sizes[:, None]) / sizes[:, None]
    uneven = bool((sizes < width).any())
    return RealBatches(train.images, rows, width, send([weights], train.images.device)[0] if uneven else None)


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


def class_outputs(function: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[Tensor]:
    """Return every tensor (m, …) that `function` returns for m images, as (classes, n, …).

    images: (classes, n, …), processed in pieces that fit a CPU's cache.
    """
    pieces = [function(piece) for piece in images.flatten(0, 1).split(CHUNK[images.device.type])]
    return [torch.cat(parts).unflatten(0, images.shape[:2]) for parts in zip(*pieces, strict=True)]


def class_means(
    function: Callable[[Tensor], Sequence[Tensor]], images: Tensor, weights: Tensor | None = None
) -> list[Tensor]:
    """Return each class's mean (classes, …) of every tensor of `class_outputs`.

    weights: (classes, n) of the mean, None: equal.
    """
    values = class_outputs(function, images)
    if weights is None:
        return [value.mean(1) for value in values]
    return [torch.einsum("cn,cn...->c...", weights.to(value), value) for value in values]


def mean_gaps(
    outputs: Callable[[Tensor], Sequence[Tensor]], synthetic: Tensor, real: Tensor, weights: Tensor | None
) -> list[Tensor]:
    """Return the squared distance of the class means of real and synthetic images, of each output.

    outputs: maps images (n, …) to tensors (n, …); synthetic, real: (classes, n, …); weights: (classes, n) of
    the real ones, None: equal. DM's loss (arXiv 2110.04181) for the embedding as the only output.
    """
    with torch.no_grad():
        targets = class_means(outputs, real, weights)
    found = class_means(outputs, synthetic)
    return [(a - b).square().sum() for a, b in zip(targets, found, strict=True)]


def class_gradients(
    network: Network, parameters: Tensor, images: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return for each class the gradient (classes, size) of the mean cross-entropy of its images.

    images: (classes, n, …); the result is differentiable in them. weights: (classes, n) of the mean, None:
    equal. Small classes are computed together, which takes a third of the time. Large classes are computed
    one by one, because a CPU's cache is too small.
    """
    network.check_independent()
    classes, count = images.shape[:2]
    shares = images.new_full((classes, count), 1 / count) if weights is None else weights.to(images)
    at_once = CHUNK[images.device.type] // count
    if at_once < 2:
        leaf, deeper = parameters.detach().requires_grad_(), images.requires_grad
        scores = (log_softmax(network.logits(leaf, own), 1) for own in images)
        losses = (-each[:, label] @ shares[label] for label, each in enumerate(scores))
        return torch.stack([torch.autograd.grad(loss, leaf, create_graph=deeper)[0] for loss in losses])

    def loss(parameters: Tensor, images: Tensor, share: Tensor, label: Tensor) -> Tensor:
        return -(share @ log_softmax(network.logits(parameters, images), 1) * label).sum()

    labels = torch.eye(classes, dtype=images.dtype, device=images.device)
    by_class = vmap(grad(loss), in_dims=(None, 0, 0, 0), chunk_size=at_once)
    found: Tensor = by_class(parameters, images, shares, labels)
    return found


def weights(network: Network, gradients: Tensor) -> Iterator[Tensor]:
    """Split flat gradients (classes, size) into the gradients (classes, *shape) of each parameter."""
    shapes = [torch.Size(shape) for layer in network.layers for shape in layer.shapes]
    for shape, part in zip(shapes, gradients.split([s.numel() for s in shapes], dim=1), strict=True):
        yield part.unflatten(1, shape)
