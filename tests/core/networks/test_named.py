"""Networks by name: their parameters, outputs and running statistics, and names that are refused."""

import re
from math import prod

import pytest
import torch
from torch import nn

from suite.core.names import Table
from suite.core.networks import named
from suite.core.networks.layers import FLATTEN, RELU, Layer, Lowering, add, chain, dense
from suite.core.networks.named import (
    ARCHITECTURES,
    Architecture,
    Network,
    Shape,
    forms,
    network,
    with_batch_norm,
)
from suite.core.seeding import generator
from tests.support.fake_device import GPU, fake_gpu

CIFAR = (3, 32, 32)


def test_parameters_are_the_same_on_a_gpu_and_nothing_waits_for_them() -> None:
    net = network("convnet-d2-w3-bn", (1, 4, 4), 2)
    with fake_gpu() as gpu, gpu.counted() as traffic:
        drawn, statistics = net.initialise(generator(0), GPU), net.first_statistics(GPU)
        assert drawn.device == statistics.device == GPU
        assert len(traffic.pinned) == 1 and not traffic.pageable
        assert torch.equal(drawn.cpu(), net.initialise(generator(0)))
        assert torch.equal(statistics.cpu(), net.first_statistics())


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


@pytest.mark.parametrize(
    "name",
    ["convnet-d0-w32-in", "convnet-d3-w032-in", "convnet-d3-w128-gn", "convnet-d3-w128-in-", "convnet"],
)
def test_a_name_with_wrong_settings_is_refused_with_the_form_of_its_family(name: str) -> None:
    form = "convnet-d<depth>-w<width>-{in|ln|bn|none}, for example 'convnet-d3-w128-in'"
    with pytest.raises(ValueError, match=f"unknown network '{name}'; .* are {re.escape(form)}"):
        network(name, CIFAR, 10)


@pytest.mark.parametrize(
    ("name", "near"),
    [("mlp-w0", "mlp-w128"), ("mlp-w128x", "mlp-w128"), ("mlp-w128-", "mlp-w128"), ("mlp-w8-bn", "mlp-w128")]
    + [(f"{family}-in", f"{family}-w64-in") for family in ("resnet18", "vgg11")],
)
def test_a_name_with_wrong_settings_is_refused_with_an_example(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown network '{name}'; .* for example '{near}'"):
        network(name, CIFAR, 10)


@pytest.mark.parametrize(
    ("name", "near"), [("xconvnet-d3-w32-in", "convnet-d3-w128-in"), ("ResNet18", "resnet18-w64-in")]
)
def test_an_unknown_family_is_refused_with_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown network '{name}'; did you mean '{near}'"):
        network(name, CIFAR, 10)


def test_a_name_like_no_other_is_refused_with_all_examples() -> None:
    with pytest.raises(ValueError, match=r"unknown network '\?'; known: alexnet-w128-in, .*, vgg11-w64-in$"):
        network("?", CIFAR, 10)


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> Table[Architecture]:
    """A table of our families for one test, to which it may add."""
    table = Table("network", dict(ARCHITECTURES))
    monkeypatch.setattr(named, "ARCHITECTURES", table)
    return table


@pytest.fixture
def linear() -> Architecture:
    """A family that a plug-in brings: one linear layer, without settings."""

    def build(lowering: Lowering, shape: Shape, classes: int) -> list[Layer]:
        return [FLATTEN, dense(prod(shape), classes, lowering)]

    return Architecture("a linear classifier", "", "linear", build)


def test_a_plug_in_brings_a_family(linear: Architecture, families: Table[Architecture]) -> None:
    families.add("linear", linear, owner="mine.py")
    assert network("linear", (1, 2, 3), 4).size == 6 * 4 + 4
    assert forms()["linear"] == "a linear classifier, such as linear"
    with pytest.raises(ValueError, match="unknown network 'linear-w3'; names of this family are linear, for"):
        network("linear-w3", (1, 2, 3), 4)


def test_a_family_has_one_owner(linear: Architecture, families: Table[Architecture]) -> None:
    with pytest.raises(ValueError, match=r"network 'mlp' of mine.py is taken by RaT-Bench; rename it"):
        families.add("mlp", linear, owner="mine.py")


def test_an_example_must_match_the_settings() -> None:
    with pytest.raises(ValueError, match="example 'wide-x3' does not match the settings"):
        Architecture("wide", r"w(?P<width>[1-9]\d*)", "wide-x3", lambda *_, **__: [])


def test_forms_say_what_a_name_may_be() -> None:
    assert forms()["mlp-w<width>"] == "perceptron with two hidden layers, such as mlp-w128"
    assert len(forms()) == len(ARCHITECTURES)


@pytest.mark.parametrize("images", [(2, 1, 9, 9), (2, 3, 8, 8), (1, 8, 8)])
def test_images_of_another_shape_are_refused(images: tuple[int, ...]) -> None:
    net = network("convnet-d1-w4-in", (1, 8, 8), 3)
    shape = ", ".join(map(str, images[1:]))
    for function in (net.logits, net.features, net.activations):
        with pytest.raises(ValueError, match=rf"images \(n, {shape}\) for a network of \(1, 8, 8\) images"):
            function(net.initialise(generator(0)), torch.zeros(images))


def test_parameters_of_another_network_are_refused() -> None:
    net = network("convnet-d1-w4-in", (1, 4, 4), 3)
    with pytest.raises(ValueError, match=f"{net.size + 1} numbers are not the {net.size} parameters of conv"):
        net.pieces(torch.zeros(net.size + 1))


def test_running_statistics_begin_at_mean_zero_and_variance_one() -> None:
    net = network("convnet-d2-w3-bn", (1, 4, 4), 2)
    assert net.statistics_size == 2 * 2 * 3
    assert net.first_statistics().tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert network("convnet-d2-w3-in", (1, 4, 4), 2).first_statistics().shape == (0,)


def test_a_batch_enters_running_statistics_with_weight_momentum() -> None:
    net = network("convnet-d1-w1-bn", (1, 2, 2), 2)
    identity = torch.tensor([0.0, 0, 0, 0, 1, 0, 0, 0, 0])  # the filter that leaves an image as it is
    parameters = torch.cat([identity, torch.ones(net.size - 9)])
    images = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8]).view(2, 1, 2, 2)  # mean 4.5, variance 42 / 7
    found = net.update_statistics(torch.tensor([2.0, 3.0]), parameters, images, momentum=0.25)
    torch.testing.assert_close(found, torch.tensor([0.75 * 2 + 0.25 * 4.5, 0.75 * 3 + 0.25 * 6]))


def test_activations_are_what_each_relu_gives() -> None:
    net = network("convnet-d2-w4-in", (1, 8, 8), 3)
    parameters = net.initialise(generator(0))
    images = torch.randn(2, 1, 8, 8, generator=generator(1))
    seen, embedding = net.activations(parameters, images)
    first, *_ = parameters.split([36, *[1] * (net.size - 36)])
    block = nn.functional.conv2d(images, first.view(4, 1, 3, 3), padding=1)
    torch.testing.assert_close(seen[0], nn.functional.instance_norm(block).relu())
    assert [tuple(maps.shape) for maps in seen] == [(2, 4, 8, 8), (2, 4, 4, 4)]
    assert torch.equal(embedding, net.features(parameters, images))


def test_activations_are_seen_in_both_branches_of_a_sum() -> None:
    # A stem and eight blocks with a ReLU inside and one behind.
    net = network("resnet18-w4-in", (1, 16, 16), 3)
    parameters = net.initialise(generator(0))
    images = torch.randn(2, 1, 16, 16, generator=generator(1))
    seen, embedding = net.activations(parameters, images)
    assert len(seen) == 1 + 8 * 2
    assert torch.equal(embedding, net.features(parameters, images))
    assert torch.equal(seen[-1].mean((2, 3)), embedding)


def test_a_hook_sees_every_layer_in_order() -> None:
    net, images = network("convnet-d1-w2-bn", (1, 4, 4), 3), torch.randn(2, 1, 4, 4, generator=generator(0))
    parameters, seen = net.initialise(generator(1)), list[tuple[Layer, torch.Tensor]]()
    logits = net.logits_with_hook(parameters, images, lambda layer, given, _: seen.append((layer, given)))
    assert torch.equal(logits, net.logits(parameters, images))
    assert [bool(layer.statistics) for layer, _ in seen] == [False, True, False, False, False, False]
    assert seen[0][1] is images


def test_batch_norm_takes_the_place_of_another_norm() -> None:
    for norm in ("in", "ln", "none", "bn"):
        assert with_batch_norm(f"convnet-d2-w4-{norm}", (1, 8, 8), 10) == "convnet-d2-w4-bn"
    assert with_batch_norm("mlp-w4", (1, 8, 8), 10) == "mlp-w4"


def test_what_the_layers_of_a_network_give_is_counted() -> None:
    # A convolution, a norm and a ReLU of two channels, these halved, flattened, and the classes.
    assert network("convnet-d1-w2-in", (1, 4, 4), 3).outputs(5) == 5 * (3 * 2 * 16 + 2 * 4 + 2 * 4 + 3) / 6
    branched = Network("by hand", (1, 1, 2), 2, (add(RELU, chain(RELU, RELU)),))
    assert branched.outputs(5) == 5 * 2


def test_spans_part_weights_from_norms_and_biases() -> None:
    """By hand; a residual block has them inside its branches."""
    assert network("mlp-w2", (1, 2, 2), 3).spans == (8, 2, 4, 2, 6, 3)
    assert network("convnet-d1-w2-none", (1, 4, 4), 3).spans == (18, 2, 24, 3)
    net = network("resnet18-w2-in", (1, 16, 16), 3)
    own = [part for layer in net.layers for part in _leaves(layer) if part.shapes]
    weights = sum(prod(shape) for part in own for shape in part.shapes if len(shape) > 1)
    assert sum(net.spans) == net.size and sum(net.spans[::2]) == weights


def _leaves(layer: Layer) -> list[Layer]:
    return [leaf for part in layer.parts for leaf in _leaves(part)] if layer.parts else [layer]


@pytest.mark.parametrize(
    ("side", "depth"), [(8, 3), (28, 3), (32, 3), (63, 3), (64, 4), (96, 4), (128, 5), (224, 5), (256, 6)]
)
def test_the_standard_network_is_deeper_for_larger_images(side: int, depth: int) -> None:
    assert named.standard((3, side, side + 5)) == f"convnet-d{depth}-w128-in"
    assert named.standard((3, side + 5, side)) == f"convnet-d{depth}-w128-in"
