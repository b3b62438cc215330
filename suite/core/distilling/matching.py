"""What methods share that match real and synthetic images class by class.

Real batches of each class, real and synthetic images under one augmentation, what a class means to a
network, and the gradient that it gives.
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
    """Where real batches of each class are drawn from. Frozen: it is no state of a run."""

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
    """Augment real and synthetic images (classes, n, …), both of a class under one operation and its values.

    name: the augmentation's; each class has its own draw.
    """
    augment, pairs = augmentation(name), []
    for label in range(len(real)):
        shared = augment.sample(1, rng)
        pairs.append((augment.apply(real[label], shared), augment.apply(synthetic[label], shared)))
    reals, synthetics = zip(*pairs, strict=True)
    return torch.stack(reals), torch.stack(synthetics)


def class_means(function: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[Tensor]:
    """Return the mean over each class (classes, …) of every tensor (m, …) that `function` makes of m images.

    images: (classes, n, …). The function sees them in pieces, since a CPU's cache does not hold all of them.
    """
    pieces = [function(piece) for piece in images.flatten(0, 1).split(CHUNK[images.device.type])]
    return [torch.cat(parts).unflatten(0, images.shape[:2]).mean(1) for parts in zip(*pieces, strict=True)]


def class_gradients(network: Network, parameters: Tensor, images: Tensor) -> Tensor:
    """Return for each class the gradient (classes, size) of the cross-entropy of its images.

    images: (classes, n, …), through which it can be differentiated. As many classes are computed together
    as fill the device: of few images all at once, which takes a third of the time that one after the other
    takes; of many images each alone, since a batch over classes no longer fits a CPU's cache.
    """
    network.check_independent()
    at_once = CHUNK[images.device.type] // images.shape[1]
    if at_once < 2:
        leaf, deeper = parameters.detach().requires_grad_(), images.requires_grad
        losses = (_cross_entropy(network, leaf, own, label) for label, own in enumerate(images))
        return torch.stack([torch.autograd.grad(loss, leaf, create_graph=deeper)[0] for loss in losses])

    def loss(parameters: Tensor, images: Tensor, label: Tensor) -> Tensor:
        return -(log_softmax(network.logits(parameters, images), 1).mean(0) * label).sum()

    labels = torch.eye(len(images)).to(images)
    found: Tensor = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=at_once)(parameters, images, labels)
    return found


def weights(network: Network, gradients: Tensor) -> Iterator[Tensor]:
    """Yield of flat gradients (classes, size) those of each parameter: (classes, *its shape)."""
    shapes = [torch.Size(shape) for layer in network.layers for shape in layer.shapes]
    for shape, part in zip(shapes, gradients.split([s.numel() for s in shapes], dim=1), strict=True):
        yield part.unflatten(1, shape)


def _cross_entropy(network: Network, parameters: Tensor, images: Tensor, label: int) -> Tensor:
    return -log_softmax(network.logits(parameters, images), 1)[:, label].mean()
