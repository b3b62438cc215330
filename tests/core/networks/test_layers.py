"""Layers against numbers worked by hand and torch's own layers."""

from math import log

import pytest
import torch
from torch import nn

from suite.core.networks.layers import (
    RELU,
    Lowering,
    add,
    batch_statistics,
    chain,
    convolution,
    dense,
    max_pool,
    norm,
    with_softplus,
)
from suite.core.seeding import generator


def test_a_sum_of_branches_initialises_as_its_parts_in_order() -> None:
    filters = convolution(2, 2, padding=1, bias=True)
    both = add(chain(filters, *norm("in", 2), RELU), filters)
    assert both.shapes == ((2, 2, 3, 3), (2,), (2,), (2,), (2, 2, 3, 3), (2,))
    first, bias, scale, shift, second, _ = both.initialise(generator(0))
    rng = generator(0)
    assert torch.equal(first, (expected := filters.initialise(rng))[0]) and torch.equal(bias, expected[1])
    assert scale.eq(1).all() and shift.eq(0).all()
    assert torch.equal(second, filters.initialise(rng)[0])


def test_sums_nest_and_a_chain_of_no_layers_is_the_batch() -> None:
    double = dense(2, 2)
    nested = add(chain(), chain(add(double, chain()), RELU))
    own = [torch.tensor([[2.0, 0], [0, 2]]), torch.tensor([0.0, 1])]
    # x + relu((2x + b) + x)
    assert nested.apply(own, torch.tensor([[1.0, -1]])).tolist() == [[1 + 3, -1 + 0]]


def test_softplus_replaces_relus_wherever_they_are() -> None:
    filters = dense(2, 2)
    nested = with_softplus(chain(add(RELU, chain(filters, RELU)), filters), 60.0)
    own = [torch.zeros(2, 2), torch.tensor([1.0, -1.0]), 2 * torch.eye(2), torch.zeros(2)]
    # softplus(60 x) / 60 of 0 is log(2) / 60, of 1 is 1, of -1 is 0.
    found = nested.apply(own, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(found, 2 * torch.tensor([[log(2) / 60 + 1, 1 + 0]]))
    assert with_softplus(filters, 60.0) is filters


@pytest.mark.parametrize("decomposed", [True, False])
def test_batch_norm_is_torchs_in_training_and_evaluation(decomposed: bool) -> None:
    (layer,) = norm("bn", 3, Lowering(decomposed=decomposed))
    theirs, rng = nn.BatchNorm2d(3).double(), generator(0)
    parameters = [torch.randn(3, generator=rng).double() for _ in range(2)]
    theirs.load_state_dict({**theirs.state_dict(), "weight": parameters[0], "bias": parameters[1]})
    x = 2 + 3 * torch.randn(5, 3, 4, 4, generator=rng).double()
    torch.testing.assert_close(layer.apply(parameters, x), theirs(x), rtol=1e-12, atol=1e-12)
    mean, variance = batch_statistics(x)
    running = [0.1 * mean, 0.9 + 0.1 * variance]
    torch.testing.assert_close(running, [theirs.running_mean, theirs.running_var], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        layer.apply([*parameters, *running], x), theirs.eval()(x), rtol=1e-12, atol=1e-12
    )


def test_batch_norm_of_one_value_per_channel_is_refused() -> None:
    (layer,) = norm("bn", 3)
    with pytest.raises(ValueError, match="one value per channel is constant; use a larger batch"):
        layer.apply([torch.ones(3), torch.zeros(3)], torch.zeros(1, 3, 1, 1))


def test_composites_share_out_parameters_and_statistics() -> None:
    (layer,) = norm("bn", 2)
    both = add(chain(layer, RELU), layer)
    assert both.statistics == ((2,),) * 4
    values = [torch.full((2,), float(value)) for value in range(8)]
    x = torch.randn(3, 2, 4, 4, generator=generator(0))
    expected = layer.apply([*values[:2], *values[4:6]], x).relu() + layer.apply(
        [*values[2:4], *values[6:]], x
    )
    torch.testing.assert_close(both.apply(values, x), expected)


@pytest.mark.parametrize("decomposed", [True, False])
def test_the_first_of_equal_maxima_has_the_gradient(decomposed: bool) -> None:
    # Of an odd side the last row or column is left out, as torch does.
    images = torch.tensor([[0.0, 1, 5, 5, 9], [1, 1, 5, 6, 9], [9, 9, 9, 9, 9]])
    images = images.expand(1, 1, 3, 5).clone().requires_grad_()
    halved = max_pool(Lowering(decomposed=decomposed)).apply((), images)
    assert halved.tolist() == [[[[1, 6]]]]
    (gradient,) = torch.autograd.grad(halved.sum(), images)
    assert gradient[0, 0].tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("decomposed", [True, False])
def test_the_maximum_of_nan_is_nan(decomposed: bool) -> None:
    layer, nan = max_pool(Lowering(decomposed=decomposed)), torch.tensor(float("nan"))
    for place in range(4):
        pixels = torch.arange(4.0).where(torch.arange(4) != place, nan)
        assert layer.apply((), pixels.view(1, 1, 2, 2)).isnan().all()
