"""How far a batch's statistics are from those that a trained network has seen on train.

Of the inputs of batch norms: the mean and the variance of each channel. Of the inputs of convolutions also
the mean and the variance over all channels of each patch of 4x4 pixels (G-VBSM, arXiv 2311.17950).
"""

from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import interpolate

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network

PATCH = 4
"""Side of a patch in pixels; inputs are enlarged to the next multiple of it."""

CONVOLUTION = 4
"""How many statistics a convolution has: twice those of a batch norm."""


def channel_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the biased variance of each channel, (channels,), of x (n, channels, h, w)."""
    mean = x.mean((0, 2, 3))
    return mean, (x - mean[:, None, None]).square().mean((0, 2, 3))


def batch_norm_gaps(network: Network, teacher: Tensor, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the logits (n, classes) of images, and the gap of each batch norm, in the order of the network.

    A gap is the Euclidean norm of the difference between the running means and those of the batch, plus the
    same of the variances. teacher: parameters with running statistics (size + statistics_size,).
    """
    running, gaps = iter(running_statistics(network, teacher)), list[Tensor]()

    def hook(layer: Layer, given: Tensor, _: Tensor) -> None:
        if layer.statistics:
            gaps.append(gap(next(running), channel_statistics(given)))

    return network.logits_with_hook(teacher, images, hook), gaps


def gap(wanted: tuple[Tensor, Tensor], found: tuple[Tensor, Tensor]) -> Tensor:
    """Return the sum of the Euclidean distances of means and of variances."""
    distances = [vector_norm(one - other) for one, other in zip(wanted, found, strict=True)]
    return torch.stack(distances).sum()


def running_statistics(network: Network, teacher: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the running mean and variance (channels,) of each batch norm, in the order of the network."""
    shapes = [shape for layer in network.layers for shape in layer.statistics]
    parts = teacher[network.size :].split([shape[0] for shape in shapes])
    return list(zip(parts[::2], parts[1::2], strict=True))


def patch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the biased variance (patches,) over images, channels and pixels of each patch."""
    size = [-(-side // PATCH) * PATCH for side in x.shape[2:]]
    if size != list(x.shape[2:]):
        x = interpolate(x, size, mode="bilinear")
    patches = x.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH)).permute(2, 4, 0, 1, 3, 5).flatten(2)
    patches = patches.flatten(0, 1)
    return patches.mean(1), patches.var(1, correction=0)


def all_statistics(
    network: Network, teacher: Tensor, images: Tensor, left_out: Collection[int] = ()
) -> tuple[Tensor, list[Sequence[Tensor]]]:
    """Return the logits (n, classes), and the statistics of each batch norm and convolution, in order.

    They are a mean and a variance, of channels and, for a convolution, of patches. left_out: numbers of these
    layers, from 0, that have no statistics.
    """
    found = list[Sequence[Tensor]]()

    def hook(layer: Layer, given: Tensor, _: Tensor) -> None:
        convolves = bool(layer.shapes) and len(layer.shapes[0]) == 4
        if not (layer.statistics or convolves):
            return
        if len(found) in left_out:
            found.append(())
        else:
            found.append((*channel_statistics(given), *(patch_statistics(given) if convolves else ())))

    return network.logits_with_hook(teacher, images, hook), found


@torch.no_grad()
def mean_statistics(
    network: Network, teacher: Tensor, batches: Iterable[Tensor], count: int
) -> list[Sequence[Tensor]]:
    """Return the statistics as `all_statistics` does, averaged over batches of images by their sizes.

    count: images in all batches. The statistics of batch norms are the running ones of the teacher.
    """
    total: list[Sequence[Tensor]] = []
    for batch in batches:
        found = all_statistics(network, teacher, batch)[1]
        share = len(batch) / count
        before = total or [[torch.zeros_like(value) for value in own] for own in found]
        total = [
            [sum_ + share * value for sum_, value in zip(*pair, strict=True)]
            for pair in zip(before, found, strict=True)
        ]
    running = iter(running_statistics(network, teacher))
    return [own if len(own) == CONVOLUTION else next(running) for own in total]
