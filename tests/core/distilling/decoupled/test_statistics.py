"""Distances of statistics on numbers worked by hand, and against hooks of torch's modules."""

from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from suite.core.distilling.decoupled.statistics import (
    all_statistics,
    batch_norm_gaps,
    channel_statistics,
    mean_statistics,
    patch_statistics,
    running_statistics,
)
from suite.core.networks.layers import Layer, norm
from suite.core.networks.named import Network, network
from suite.core.seeding import generator

NAME, SHAPE = "resnet18-w2-bn", (3, 12, 12)
NET = network(NAME, SHAPE, 4)


def parameters() -> torch.Tensor:
    running = torch.rand(NET.statistics_size, generator=generator(2)) + 0.5
    return torch.cat([NET.initialise(generator(1)), running])


def test_one_batch_norm_by_hand() -> None:
    """Two channels: means 2 and 1, biased variances 1 and 9, against running means 5, 5, variances 1, 5."""
    images = torch.tensor([[1.0, -2.0], [3.0, 4.0]]).view(2, 2, 1, 1)
    layer = norm("bn", 2)[0]
    tail = Layer(lambda own, x: x.flatten(1) @ own[0], ((2, 3),))
    net = Network("by hand", (2, 1, 1), 3, (layer, tail))
    teacher = torch.cat([torch.ones(2), torch.zeros(2), torch.ones(6), torch.tensor([5.0, 5.0, 1.0, 5.0])])
    logits, (gap,) = batch_norm_gaps(net, teacher, images)
    # Means are 3 and 4 apart: 5. Variances 0 and 4: 4.
    assert gap.item() == pytest.approx(5 + 4)
    normalised = (images.flatten(1) - 5) / torch.tensor([1 + 1e-5, 5 + 1e-5]).sqrt()
    torch.testing.assert_close(logits, normalised @ torch.ones(2, 3))


def test_the_gaps_are_those_of_hooks_before_every_batch_norm() -> None:
    """In the network's order: stem, then both branches of each block."""
    teacher, images = parameters(), torch.randn(5, *SHAPE, generator=generator(3))
    logits, gaps = batch_norm_gaps(NET, teacher, images)
    assert torch.equal(logits, NET.logits(teacher, images)) and len(gaps) == 20
    stem = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        stem.weight.copy_(NET.pieces(teacher)[0][0])
        given = stem(images)
    mean, variance = running_statistics(NET, teacher)[0]
    by_hand = sqrt(((given.mean((0, 2, 3)) - mean) ** 2).sum()) + sqrt(
        ((given.transpose(0, 1).flatten(1).var(1, unbiased=False) - variance) ** 2).sum()
    )
    assert gaps[0].item() == pytest.approx(by_hand, rel=1e-5)


def test_patches_are_of_four_pixels_a_side() -> None:
    x = torch.randn(3, 2, 6, 8, generator=generator(4))
    mean, variance = patch_statistics(x)
    larger = interpolate(x, (8, 8), mode="bilinear")
    parts = [larger[:, :, i : i + 4, j : j + 4] for i in (0, 4) for j in (0, 4)]
    torch.testing.assert_close(mean, torch.stack([part.mean() for part in parts]))
    torch.testing.assert_close(variance, torch.stack([part.var(unbiased=False) for part in parts]))


def test_all_statistics_have_those_of_convolutions_too() -> None:
    teacher, images = parameters(), torch.randn(5, *SHAPE, generator=generator(3))
    logits, found = all_statistics(NET, teacher, images, left_out={2})
    assert torch.equal(logits, NET.logits(teacher, images))
    assert [len(own) for own in found[:5]] == [4, 2, 0, 2, 4] and len(found) == 40
    for value, expected in zip(
        found[0], (*channel_statistics(images), *patch_statistics(images)), strict=True
    ):
        torch.testing.assert_close(value, expected)


def test_means_over_batches_are_weighted_by_their_sizes() -> None:
    """The statistics of batch norms are those that the teacher has."""
    teacher, images = parameters(), torch.randn(5, *SHAPE, generator=generator(3))
    found = mean_statistics(NET, teacher, images.split(3), 5)
    first, second = (all_statistics(NET, teacher, part)[1] for part in images.split(3))
    for own, one, other in zip(found, first, second, strict=True):
        if len(own) == 4:
            for value, a, b in zip(own, one, other, strict=True):
                torch.testing.assert_close(value, 0.6 * a + 0.4 * b)
    for (mean, variance), own in zip(
        running_statistics(NET, teacher), [own for own in found if len(own) == 2], strict=True
    ):
        assert torch.equal(own[0], mean) and torch.equal(own[1], variance)
