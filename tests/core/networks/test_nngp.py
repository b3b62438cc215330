"""Random features against the closed form of the kernel that they estimate."""

from math import pi

import pytest
import torch
from torch import Tensor

from suite.core.networks.named import network
from suite.core.networks.nngp import random_features, random_networks
from suite.core.seeding import generator
from tests.support.fake_device import GPU, fake_gpu


def closed(images: Tensor) -> Tensor:
    """The NNGP kernel of a perceptron with two hidden ReLU layers (Cho and Saul's arc-cosine kernel)."""
    kernel = 2 * images @ images.T / images.shape[1] + 0.01
    for _ in range(2):
        lengths = kernel.diag().sqrt()[:, None] * kernel.diag().sqrt()
        angle = (kernel / lengths).clamp(-1, 1).acos()
        expected = lengths * (angle.sin() + (pi - angle) * angle.cos()) / (2 * pi)
        kernel = 2 * expected + 0.01
    return kernel


def test_inner_products_are_the_kernel_of_infinite_width() -> None:
    images = torch.randn(5, 1, 3, 3, generator=generator(0))
    net = network("mlp-w400", (1, 3, 3), 2)
    drawn = random_networks(net, 80, generator(1))
    assert drawn.shape == (80, net.size)
    found = random_features(net, drawn, images)
    assert found.shape == (5, 80 * 400 + 1)
    torch.testing.assert_close(found @ found.T, closed(images.flatten(1)), rtol=0.06, atol=0.02)


def test_weights_are_scaled_by_their_fan_in_and_norms_start_at_one() -> None:
    net = network("convnet-d2-w64-none", (1, 8, 8), 10)
    first, _, second, *_ = net.pieces(random_networks(net, 2, generator(0))[1])
    assert abs(float(first[0].std()) - (2 / 9) ** 0.5) < 0.03  # 3x3 of one channel
    assert abs(float(first[1].std()) - 0.1) < 0.03
    assert abs(float(second[0].std()) - (2 / (64 * 9)) ** 0.5) < 0.002
    normed = network("convnet-d1-w4-in", (1, 8, 8), 10)
    _, (scale, shift), *_ = normed.pieces(random_networks(normed, 1, generator(0))[0])
    assert scale.tolist() == [1] * 4 and shift.tolist() == [0] * 4


def test_batch_norm_is_refused_with_what_to_use() -> None:
    with pytest.raises(ValueError, match=r"-w4-bn has batch norm, .* use another norm, such as `in`"):
        random_networks(network("convnet-d1-w4-bn", (1, 8, 8), 10), 1, generator(0))


@pytest.mark.parametrize("name", ["convnet-d2-w4-none", "convnet-d1-w4-in", "resnet18-w4-ln"])
def test_parameters_are_drawn_layer_by_layer(name: str) -> None:
    """Whatever the device: a seed means the same networks everywhere."""
    net, rng = network(name, (1, 8, 8), 10), generator(0)
    found = random_networks(net, 3, generator(0))
    for own in found:
        for piece in (piece for layer in net.pieces(own) for piece in layer):
            if piece.eq(1).all() or piece.eq(0).all():  # a norm's
                continue
            deviation = (2 / piece[0].numel()) ** 0.5 if piece.ndim > 1 else 0.1
            assert torch.equal(piece, torch.randn(piece.shape, generator=rng) * deviation)
    with fake_gpu() as gpu, gpu.counted() as traffic:
        sent = random_networks(net, 3, generator(0), GPU)
        assert sent.device == GPU and torch.equal(sent.cpu(), found)
    assert not traffic.pageable and len(traffic.pinned) == 1


def test_networks_differ() -> None:
    first, second = random_networks(network("mlp-w4", (1, 2, 2), 2), 2, generator(0))
    assert not torch.equal(first, second)
