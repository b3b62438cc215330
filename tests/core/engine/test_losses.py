"""Both kinds of loss give the same derivatives, and these are right."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.engine.losses import AutogradLoss, FlatLoss, Flatness, LayerwiseLoss, Objective
from suite.core.networks.layers import Lowering
from suite.core.networks.named import Shape, network
from suite.core.seeding import generator
from suite.core.training.regression import squared_error

NAMES = ["convnet-d3-w4-in", "convnet-d2-w4-ln", "convnet-d2-w4-bn", "convnet-d1-w4-none", "mlp-w6"]
OBJECTIVES = {"cross-entropy": cross_entropy, "squared-error": squared_error}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (5, 8, 8)], ids=str)
def test_layer_by_layer_equals_twice_in_reverse(name: str, shape: Shape, objective: Objective) -> None:
    plain, decomposed = network(name, shape, 3), network(name, shape, 3, Lowering(decomposed=True))
    rng = generator(1)
    parameters = plain.initialise(rng).double()
    direction = torch.randn(plain.size, generator=rng, dtype=torch.float64)
    batch = torch.randn(4, *shape, generator=rng).double(), torch.rand(4, 3, generator=rng).double()
    any_loss = AutogradLoss(lambda p, x, targets: objective(plain.logits(p, x), targets))
    layered = LayerwiseLoss(decomposed, objective)
    theirs, ours = any_loss.gradient(parameters, batch), layered.gradient(parameters, batch)
    assert torch.allclose(ours.parameters, theirs.parameters, rtol=1e-10, atol=1e-13)
    assert torch.allclose(ours.loss, theirs.loss)
    expected = any_loss.hvp(parameters, batch, direction, theirs.kept)
    found = layered.hvp(parameters, batch, direction, ours.kept)
    for one, other in zip(
        (found.parameters, *found.batch), (expected.parameters, *expected.batch), strict=True
    ):
        assert (one - other).norm() <= 1e-11 * other.norm()


def test_classes_are_targets_without_a_derivative() -> None:
    """They give the product of the one-hot targets, in both kinds of loss."""
    net, rng = network("mlp-w6", (1, 4, 4), 3), generator(1)
    parameters, direction = (torch.randn(net.size, generator=rng).double() for _ in range(2))
    images, classes = torch.randn(4, 1, 4, 4, generator=rng).double(), torch.tensor([0, 2, 1, 1])
    any_loss = AutogradLoss(lambda p, x, targets: cross_entropy(net.logits(p, x), targets))
    for loss in (any_loss, LayerwiseLoss(net)):
        found, expected = (
            loss.hvp(parameters, batch, direction, loss.gradient(parameters, batch).kept)
            for batch in ((images, classes), (images, torch.eye(3).double()[classes]))
        )
        torch.testing.assert_close(found.parameters, expected.parameters)
        torch.testing.assert_close(found.batch[0], expected.batch[0])
        assert found.batch[1].tolist() == [0] * 4


def test_what_is_kept_are_inputs_and_cotangents_of_the_layers() -> None:
    # Two layers without activations to halve: 4 x 9 for the first one's output, its cotangent, the logits.
    net = network("convnet-d1-w4-none", (1, 4, 4), 3)
    kept = (
        LayerwiseLoss(net)
        .gradient(net.initialise(generator(0)), (torch.zeros(2, 1, 4, 4), torch.eye(3)[:2]))
        .kept
    )
    shapes = [tuple(value.shape) for value in kept]
    assert shapes == [
        (2, 4, 4, 4),  # the convolution's output
        (2, 4, 2, 2),  # after ReLU and pooling
        (2, 16),
        (2, 3),  # logits
        (2, 4, 4, 4),  # cotangents of the first three
        (2, 4, 2, 2),
        (2, 16),
    ]


def test_the_direction_towards_flat_minima_by_hand() -> None:
    # At w = (1, 2) the loss (w0² + w1²) / 2 has the gradient g = (1, 2), and |w g| = |(1, 4)| = √17. The way
    # uphill is ρ w² g / √17 = √17 (1, 8) / √17, to (2, 10), where the gradient is h = (2, 10). Of g,
    # (g · h / h²) h = 22 / 104 h is along h, and (1, 2) - (44, 220) / 104 = (60, -12) / 104 across it.
    loss = FlatLoss(AutogradLoss(lambda w: w.square().sum() / 2), Flatness(rho=17**0.5, alpha=0.5))
    found = loss.gradient(torch.tensor([1.0, 2.0]), [])
    assert (
        found.parameters.tolist() == pytest.approx([2 - 30 / 104, 10 + 6 / 104]) and float(found.loss) == 2.5
    )


def test_without_a_way_uphill_it_is_the_gradient() -> None:
    net, rng = network("convnet-d1-w4-in", (1, 4, 4), 3), generator(1)
    parameters, batch = net.initialise(rng), (torch.randn(4, 1, 4, 4, generator=rng), torch.eye(4)[:, :3])
    plain = LayerwiseLoss(net).gradient(parameters, batch)
    found = FlatLoss(LayerwiseLoss(net), Flatness(rho=0.0, alpha=1.0)).gradient(parameters, batch)
    torch.testing.assert_close(found.parameters, plain.parameters, atol=1e-6, rtol=1e-5)
    assert torch.equal(found.loss, plain.loss) and found.kept == ()


def test_a_training_towards_flat_minima_is_not_differentiated() -> None:
    loss = FlatLoss(AutogradLoss(lambda w: w.sum()), Flatness(0.1, 0.1))
    with pytest.raises(NotImplementedError, match="is not differentiated"):
        loss.hvp(torch.ones(2), [], torch.ones(2), [])
    assert loss.kept_bytes(torch.ones(2), []) == 0
