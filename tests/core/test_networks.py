"""Networks against counts worked by hand and torch's own layers."""

import pytest
import torch
from torch import nn

from suite.core.networks import STANDARD, network
from suite.core.seeding import generator

CIFAR = (3, 32, 32)


def test_the_standard_network_has_the_parameters_of_the_papers_less_the_idle_biases() -> None:
    # Convolutions 3*128*9 + 2 * 128*128*9, without bias; three norms of 2 * 128; 128 * 4 * 4 inputs
    # to 10 classes and a bias. The field's 320,010 have 3 * 128 biases more.
    expected = 3 * 128 * 9 + 2 * 128 * 128 * 9 + 3 * 2 * 128 + 2048 * 10 + 10
    assert network(STANDARD, CIFAR, 10).size == expected == 320_010 - 3 * 128


def test_28x28_images_are_padded_to_32x32() -> None:
    # 9 * 128 + 2 * 128 * 128 * 9 + 768 + 128 * 4 * 4 * 10 + 10
    assert network(STANDARD, (1, 28, 28), 10).size == 1152 + 294_912 + 768 + 20_480 + 10


def test_convnet_equals_torchs_layers() -> None:
    net = network("convnet-d2-w4-in", (3, 8, 8), 5)
    parameters = net.initialise(generator(0))
    conv1, conv2 = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 3, padding=1, bias=False)
    norm1, norm2 = nn.InstanceNorm2d(4, affine=True), nn.InstanceNorm2d(4, affine=True)
    head = nn.Linear(16, 5)
    layers = nn.Sequential(
        conv1, norm1, nn.ReLU(), nn.AvgPool2d(2), conv2, norm2, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), head
    )
    nn.utils.vector_to_parameters(parameters, layers.parameters())
    images = torch.randn(3, 3, 8, 8, generator=generator(1))
    assert torch.allclose(net.logits(parameters, images), layers(images), atol=1e-5)
    assert torch.allclose(net.features(parameters, images), layers[:-1](images), atol=1e-5)


def test_a_convolution_without_norm_has_a_bias() -> None:
    # 9 * 4 + 4 for the block, 4 * 2 * 2 * 10 + 10 for the classifier
    assert network("convnet-d1-w4-none", (1, 4, 4), 10).size == 40 + 170


def test_layer_norm_is_one_group() -> None:
    net = network("convnet-d1-w4-ln", (1, 4, 4), 10)
    parameters = net.initialise(generator(0))
    images = torch.randn(2, 1, 4, 4, generator=generator(1))
    weight, bias, scale, shift, *_ = parameters.split([36, 4, 4, 4, 160, 10])
    block = nn.functional.conv2d(images, weight.view(4, 1, 3, 3), bias, padding=1)
    block = nn.functional.avg_pool2d(nn.functional.layer_norm(block, block.shape[1:]).relu(), 2)
    assert scale.eq(1).all() and shift.eq(0).all()
    assert torch.allclose(net.features(parameters, images), block.flatten(1), atol=1e-5)


def test_mlp_has_two_hidden_layers() -> None:
    # 4 * 8 + 8, 8 * 8 + 8, 8 * 3 + 3
    assert network("mlp-w8", (1, 2, 2), 3).size == 40 + 72 + 27


def test_initialisation_is_torchs_default_and_depends_on_its_seed_alone() -> None:
    net = network("convnet-d1-w64-in", CIFAR, 10)
    torch.manual_seed(0)
    first = net.initialise(generator(0))
    torch.manual_seed(1)
    assert torch.equal(first, net.initialise(generator(0)))
    assert not torch.equal(first, net.initialise(generator(1)))
    filters = first[: 64 * 27]
    bound = 27**-0.5  # uniform within 1 / sqrt(fan in)
    assert bound * 0.99 < filters.abs().max() < bound
    assert float(filters.std()) == pytest.approx(bound / 3**0.5, rel=0.05)


@pytest.mark.parametrize("name", ["convnet-d3-w32-in", "convnet-d2-w8-ln", "convnet-d1-w8-none", "mlp-w16"])
def test_logits_have_one_column_a_class(name: str) -> None:
    net = network(name, CIFAR, 7)
    assert net.logits(net.initialise(generator(0)), torch.zeros(2, *CIFAR)).shape == (2, 7)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="names look like 'convnet-d3-w128-in'"):
        network("convnet-d3-w128-bn", CIFAR, 10)


def test_too_deep_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="8x8 images are too small for 4 blocks"):
        network("convnet-d4-w8-in", (1, 8, 8), 10)


def test_mlp_equals_torchs_layers() -> None:
    net = network("mlp-w8", (1, 2, 3), 4)
    parameters = torch.randn(net.size, generator=generator(0))
    layers = nn.Sequential(
        nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)
    )
    nn.utils.vector_to_parameters(parameters, layers.parameters())
    images = torch.randn(5, 1, 2, 3, generator=generator(1))
    assert torch.allclose(net.logits(parameters, images), layers(images), atol=1e-5)


def test_only_digits_are_padded() -> None:
    # 28 halves to 14, 7 and 3; 3 * 3 * 128 inputs, not 4 * 4 * 128.
    colour = 3 * 128 * 9 + 2 * 128 * 128 * 9 + 768 + 1152 * 10 + 10
    assert network(STANDARD, (3, 28, 28), 10).size == colour


def test_digits_are_padded_by_the_first_convolution_alone() -> None:
    net = network("convnet-d2-w4-none", (1, 28, 28), 3)
    parameters = net.initialise(generator(0))
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=3), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, 3),
    )  # fmt: skip
    nn.utils.vector_to_parameters(parameters, layers.parameters())
    images = torch.randn(2, 1, 28, 28, generator=generator(1))
    assert torch.allclose(net.logits(parameters, images), layers(images), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("convnet-d0-w32-in", "convnet-d3-w32-in"),
        ("convnet-d3-w032-in", "convnet-d3-w32-in"),
        ("xconvnet-d3-w32-in", "convnet-d3-w32-in"),
        ("mlp-w0", "mlp-w128"),
        ("mlp-w128x", "mlp-w128"),
        ("?", STANDARD),
    ],
)
def test_a_name_of_no_known_form_is_refused(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown network .* names look like '{near}'"):
        network(name, CIFAR, 10)


def test_an_image_may_be_halved_to_one_pixel() -> None:
    # 8 -> 4 -> 2 -> 1: four filters, so 4 * 10 + 10 parameters in the classifier
    assert network("convnet-d3-w4-in", (1, 8, 8), 10).size == 36 + 2 * 144 + 3 * 8 + 50
    with pytest.raises(ValueError, match="7x8 images are too small for 3 blocks"):
        network("convnet-d3-w4-in", (1, 7, 8), 10)
