"""Architectures against parameter counts worked by hand and networks of torch's own layers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from suite.core.engine.losses import AutogradLoss, LayerwiseLoss
from suite.core.networks.layers import Lowering
from suite.core.networks.named import STANDARD, Network, Shape, network
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


def test_too_deep_a_network_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"8x8 images are too small for 4 blocks .* of at least 16x16",
    ):
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


def test_an_image_may_be_halved_to_one_pixel() -> None:
    # 8 -> 4 -> 2 -> 1: four filters, so 4 * 10 + 10 parameters in the classifier
    assert network("convnet-d3-w4-in", (1, 8, 8), 10).size == 36 + 2 * 144 + 3 * 8 + 50
    with pytest.raises(ValueError, match="7x8 images are too small for 3 blocks"):
        network("convnet-d3-w4-in", (1, 7, 8), 10)


def normed(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "bn":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True) if kind == "in" else nn.GroupNorm(1, channels)


class Residual(nn.Module):
    """ResNet's basic block."""

    def __init__(self, inputs: int, outputs: int, stride: int, kind: str) -> None:
        super().__init__()
        bias = kind == "none"
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias), normed(kind, outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias), normed(kind, outputs),
        )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride == 2 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=bias), normed(kind, outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        both: Tensor = self.branch(x) + self.shortcut(x)
        return both.relu()


def torchs_resnet18(shape: Shape, w: int, kind: str) -> nn.Sequential:
    return torchs_residual(
        nn.Conv2d(shape[0], w, 3, padding=1, bias=kind == "none"), normed(kind, w), nn.ReLU(), w=w, kind=kind
    )


def torchs_resnet18stem7(shape: Shape, w: int, kind: str) -> nn.Sequential:
    stem = nn.Conv2d(shape[0], w, 7, stride=2, padding=3, bias=kind == "none"), normed(kind, w), nn.ReLU()
    return torchs_residual(*stem, nn.MaxPool2d(3, 2, 1), w=w, kind=kind)


def torchs_residual(*stem: nn.Module, w: int, kind: str) -> nn.Sequential:
    return nn.Sequential(
        *stem,
        Residual(w, w, 1, kind), Residual(w, w, 1, kind),
        Residual(w, 2 * w, 2, kind), Residual(2 * w, 2 * w, 1, kind),
        Residual(2 * w, 4 * w, 2, kind), Residual(4 * w, 4 * w, 1, kind),
        Residual(4 * w, 8 * w, 2, kind), Residual(8 * w, 8 * w, 1, kind),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * w, 10),
    )  # fmt: skip


def convolved(inputs: int, outputs: int, kernel: int, padding: int, kind: str) -> list[nn.Module]:
    filters = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=kind not in ("in", "bn"))
    return [filters, normed(kind, outputs), nn.ReLU()]


def torchs_vgg11(shape: Shape, w: int, kind: str) -> nn.Sequential:
    first, left = (3, 1) if shape[1] == 28 else (1, shape[1] // 32)
    return nn.Sequential(
        *convolved(shape[0], w, 3, first, kind), nn.MaxPool2d(2),
        *convolved(w, 2 * w, 3, 1, kind), nn.MaxPool2d(2),
        *convolved(2 * w, 4 * w, 3, 1, kind), *convolved(4 * w, 4 * w, 3, 1, kind), nn.MaxPool2d(2),
        *convolved(4 * w, 8 * w, 3, 1, kind), *convolved(8 * w, 8 * w, 3, 1, kind), nn.MaxPool2d(2),
        *convolved(8 * w, 8 * w, 3, 1, kind), *convolved(8 * w, 8 * w, 3, 1, kind), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * w * left * left, 10),
    )  # fmt: skip


def torchs_alexnet(shape: Shape, w: int, kind: str) -> nn.Sequential:
    first, left, middle = (4, 4, w * 3 // 2) if shape[1] == 28 else (2, shape[1] // 8, w * 3 // 2)
    return nn.Sequential(
        *convolved(shape[0], w, 5, first, kind), nn.MaxPool2d(2),
        *convolved(w, middle, 5, 2, kind), nn.MaxPool2d(2),
        *convolved(middle, 2 * w, 3, 1, kind), *convolved(2 * w, middle, 3, 1, kind),
        *convolved(middle, middle, 3, 1, kind), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(middle * left * left, 10),
    )  # fmt: skip


TORCHS: dict[str, Callable[[Shape, int, str], nn.Sequential]] = {
    "resnet18": torchs_resnet18,
    "resnet18stem7": torchs_resnet18stem7,
    "vgg11": torchs_vgg11,
    "alexnet": torchs_alexnet,
}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for shape in ((1, 28, 28), CIFAR, (3, 64, 64), (3, 128, 128))
        for name in TORCHS
        if name != "resnet18stem7" or shape[1] > 32
    ],
)
@pytest.mark.parametrize("kind", ["in", "ln", "bn", "none"])
def test_the_large_networks_equal_torchs_layers(name: str, kind: str, shape: Shape) -> None:
    net, layers = network(f"{name}-w2-{kind}", shape, 10), TORCHS[name](shape, 2, kind).double()
    parameters = net.initialise(generator(0)).double()
    parameters += 0.1 * torch.randn(net.size, generator=generator(1))  # scales that are not all one
    assert net.size == sum(parameter.numel() for parameter in layers.parameters())
    nn.utils.vector_to_parameters(parameters, layers.parameters())
    images = torch.randn(2, *shape, generator=generator(2)).double()
    assert torch.allclose(net.logits(parameters, images), layers(images))
    assert torch.allclose(net.features(parameters, images), layers[:-1](images))


@pytest.mark.parametrize(
    ("name", "side"), [("resnet18", 8), ("resnet18stem7", 40), ("vgg11", 32), ("alexnet", 8)]
)
def test_running_statistics_are_torchs(name: str, side: int) -> None:
    shape = (3, side, side)
    net, layers = network(f"{name}-w2-bn", shape, 10), TORCHS[name](shape, 2, "bn").double()
    parameters = net.initialise(generator(0)).double()
    parameters += 0.1 * torch.randn(net.size, generator=generator(1))
    nn.utils.vector_to_parameters(parameters, layers.parameters())
    statistics = net.first_statistics().double()
    for step in range(3):
        images = torch.randn(4, *shape, generator=generator(2, step)).double()
        layers(images)
        statistics = net.update_statistics(statistics, parameters, images)
    images, layers = torch.randn(4, *shape, generator=generator(3)).double(), layers.eval()
    trained = torch.cat([parameters, statistics])
    torch.testing.assert_close(net.logits(trained, images), layers(images), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(net.features(trained, images), layers[:-1](images), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(net.logits(parameters, images), layers(images), rtol=1e-2)


def test_resnet18_has_the_parameters_of_the_field() -> None:
    # The stem; per stage the four 3x3 convolutions and the 1x1 shortcut; 4,800 channels with a norm
    # (64 + 4 * 64 + 5 * (128 + 256 + 512)), each a scale and a shift; 512 inputs to 10 classes.
    convolutions = 3 * 64 * 9 + 4 * 64 * 64 * 9
    for width in (128, 256, 512):
        convolutions += 9 * width * (width // 2 + 3 * width) + width * width // 2
    expected = convolutions + 2 * 4800 + 512 * 10 + 10
    assert network("resnet18-w64-in", CIFAR, 10).size == expected == 11_173_962
    assert network("resnet18-w64-ln", CIFAR, 10).size == expected
    assert network("resnet18-w64-none", CIFAR, 10).size == expected - 4800  # a bias for each instead


def test_vgg11_has_the_parameters_of_the_field_less_the_idle_biases() -> None:
    # 2,752 channels, each with a scale and a shift; one pixel of 512 channels remains
    pairs = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 3 * 512 * 512
    expected = 9 * pairs + 2 * 2752 + 512 * 10 + 10
    assert network("vgg11-w64-in", CIFAR, 10).size == expected
    assert network("vgg11-w64-ln", CIFAR, 10).size == expected + 2752 == 9_231_114


def test_alexnet_without_norm_has_the_parameters_of_the_field() -> None:
    filters = 25 * (3 * 128 + 128 * 192) + 9 * (192 * 256 + 256 * 192 + 192 * 192)
    expected = filters + (128 + 192 + 256 + 192 + 192) + 192 * 4 * 4 * 10 + 10
    assert network("alexnet-w128-none", CIFAR, 10).size == expected == 1_872_202
    assert network("alexnet-w128-in", CIFAR, 10).size == expected + 960  # scale and shift for a bias


def joint_loss(net: Network, n: int) -> Callable[[Tensor], Tensor]:
    """Return a loss of parameters and images in one vector, as second derivatives mix the two."""

    def loss(both: Tensor) -> Tensor:
        logits = net.logits(both[: net.size], both[net.size :].view(n, *net.shape))
        return cross_entropy(logits, torch.arange(n))

    return loss


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("resnet18-w4-in", 10),
        ("resnet18-w4-none", 4),
        ("resnet18stem7-w4-none", 12),
        ("convnet-d2-w4-bn", 8),
        ("vgg11-w4-in", 32),
        ("alexnet-w4-in", 8),
    ],
)
def test_second_derivatives_are_those_of_finite_differences(name: str, side: int) -> None:
    net = network(name, (1, side, side), 3)
    images = torch.randn(2 * side * side, generator=generator(0)).double()
    point = torch.cat([net.initialise(generator(1)).double(), images])
    direction = torch.randn(len(point), generator=generator(2)).double()
    loss, step = joint_loss(net, 2), 1e-7
    gradient = torch.func.grad(loss)
    expected = (gradient(point + step * direction) - gradient(point - step * direction)) / (2 * step)

    leaf = point.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    (eager,) = torch.autograd.grad(first, leaf, direction)
    (reverse,) = torch.func.vjp(gradient, point)[1](direction)
    forward = torch.func.jvp(gradient, (point,), (direction,))[1]
    for product in (eager, reverse, forward):
        assert float((product - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("kind", ["in", "ln", "bn", "none"])
@pytest.mark.parametrize("name", TORCHS)
def test_the_decomposed_form_has_the_same_second_derivatives(name: str, kind: str) -> None:
    side = 33 if name == "resnet18stem7" else 28
    shape, rng = (1, side, side), generator(0)
    plain = network(f"{name}-w2-{kind}", shape, 3)
    layered = LayerwiseLoss(network(plain.name, shape, 3, Lowering(decomposed=True)))
    any_loss = AutogradLoss(lambda p, x, targets: cross_entropy(plain.logits(p, x), targets))
    parameters = plain.initialise(rng).double()
    direction = torch.randn(plain.size, generator=rng).double()
    batch = torch.randn(2, *shape, generator=rng).double(), torch.rand(2, 3, generator=rng).double()
    gradient = layered.gradient(parameters, batch)
    assert torch.allclose(gradient.parameters, any_loss.gradient(parameters, batch).parameters, atol=1e-12)
    found = layered.hvp(parameters, batch, direction, gradient.kept)
    expected = any_loss.hvp(parameters, batch, direction, ())
    pairs = zip((found.parameters, *found.batch), (expected.parameters, *expected.batch), strict=True)
    assert all((one - other).norm() <= 1e-9 * other.norm() for one, other in pairs)


@pytest.mark.parametrize(
    ("name", "least", "message"),
    [
        ("vgg11-w2-in", 32, "31x31 images are too small for 5 blocks that halve them"),
        ("alexnet-w2-none", 8, "7x7 images are too small for 3 blocks that halve them"),
        (
            "resnet18-w2-in",
            9,
            "8x8 images are too small for ResNet-18 .* images of 9x9 or 'resnet18-w2-ln'",
        ),
        ("resnet18stem7-w2-in", 33, "32x32 images are too small for this stem .* or 'resnet18-w2-in'"),
    ],
)
def test_images_too_small_are_refused(name: str, least: int, message: str) -> None:
    net = network(name, (3, least, least), 4)
    images = torch.randn(3, 3, least, least, generator=generator(0))
    assert net.logits(net.initialise(generator(1)), images).std(0).min() > 0  # they tell images apart
    with pytest.raises(ValueError, match=message):
        network(name, (3, least - 1, least - 1), 4)


def test_resnet18_without_instance_norm_takes_small_images() -> None:
    net = network("resnet18-w2-ln", (1, 8, 8), 4)
    assert net.logits(net.initialise(generator(0)), torch.zeros(2, 1, 8, 8)).shape == (2, 4)


def test_alexnets_width_must_be_even() -> None:
    with pytest.raises(ValueError, match="width 3 must be even"):
        network("alexnet-w3-in", CIFAR, 10)
