"""What is done to traced graphs leaves their numbers and takes work from the pixels."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._inductor.decomposition import select_decomp_table
from torch.func import jvp, vjp
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import conv2d

from suite.core.execution.fx_passes import DECOMPOSITIONS, drop_dead_convolutions, materialise_broadcasts


def test_a_planes_root_is_stored_before_pixels_meet_it() -> None:
    def normed(x: Tensor) -> Tensor:
        return x * x.square().mean((2, 3), keepdim=True).rsqrt()

    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    traced = make_fx(normed)(x)
    materialise_broadcasts(traced.graph)
    traced.recompile()
    held = [node for node in traced.graph.nodes if node.target is torch.ops.aten.as_strided.default]
    assert [node.args[0].target for node in held] == [torch.ops.aten.rsqrt.default]
    assert torch.equal(traced(x), normed(x))


@pytest.mark.parametrize(("side", "size", "spelt_out"), [(6, 2, True), (7, 2, False), (6, 3, False)])
def test_the_gradient_of_a_pooling_is_torchs(side: int, size: int, spelt_out: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, side, side, generator=rng)
    cotangent = torch.randn(2, 3, side // size, side // size, generator=rng)

    def pull(cotangent: Tensor) -> Tensor:
        square, zero = [size, size], [0, 0]
        found: Tensor = torch.ops.aten.avg_pool2d_backward(
            cotangent, x, square, square, zero, False, True, None
        )
        return found

    graph = make_fx(pull, decomposition_table=DECOMPOSITIONS)(cotangent)
    left = any("avg_pool2d_backward" in str(node.target) for node in graph.graph.nodes)
    assert left is not spelt_out
    assert torch.equal(graph(cotangent), pull(cotangent))


@pytest.mark.parametrize(("side", "size", "spelt_out"), [(6, 2, True), (7, 2, False), (6, 3, False)])
def test_a_pooling_is_torchs(side: int, size: int, spelt_out: bool) -> None:
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))

    def pool(x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, size)

    graph = make_fx(pool, decomposition_table=DECOMPOSITIONS)(x)
    left = any("avg_pool2d" in str(node.target) for node in graph.graph.nodes)
    assert left is not spelt_out
    assert torch.allclose(graph(x), pool(x), atol=1e-6)


def test_a_padded_pooling_is_left_alone() -> None:
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))

    def pool(x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 2, padding=1)

    graph = make_fx(pool, decomposition_table=DECOMPOSITIONS)(x)
    assert any("avg_pool2d" in str(node.target) for node in graph.graph.nodes)
    assert torch.equal(graph(x), pool(x))


SIZES = {"x": (2, 3, 8, 8), "weight": (4, 3, 3, 3), "seen": (2, 4, 6, 6), "bias": (4,)}


def test_no_zeros_are_convolved() -> None:
    """The tangent of a convolution for its filters takes one convolution; torch traces two."""

    def tangent(x: Tensor, weight: Tensor) -> Tensor:
        found: Tensor = jvp(lambda filters: conv2d(x, filters), (weight,), (weight.sin(),))[1]
        return found

    assert _products(tangent, "x", "weight") == (2, 1)


def test_a_derivative_that_nothing_reads_is_not_computed() -> None:
    def pull(x: Tensor, weight: Tensor, seen: Tensor) -> Tensor:
        found: Tensor = vjp(lambda *at: conv2d(*at), x, weight)[1](seen)[1]
        return found

    assert _products(pull, "x", "weight", "seen") == (2, 1)


def test_what_is_zero_in_a_derivative_is_not_computed() -> None:
    """The tangent of the filters' gradient takes one product where the images stay."""

    def tangent(x: Tensor, weight: Tensor, seen: Tensor) -> Tensor:
        def gradient(cotangent: Tensor) -> Tensor:
            found: Tensor = vjp(lambda filters: conv2d(x, filters), weight)[1](cotangent)[0]
            return found

        found: Tensor = jvp(gradient, (seen,), (seen.sin(),))[1]
        return found

    assert _products(tangent, "x", "weight", "seen") == (2, 1)


def test_a_bias_beside_zeros_is_kept() -> None:
    """The tangent for a bias alone is the bias's, though torch convolves zeros with it."""

    def tangent(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        found: Tensor = jvp(lambda moved: conv2d(x, weight, moved), (bias,), (bias.sin(),))[1]
        return found

    _, after = _products(tangent, "x", "weight", "bias")
    assert after == 1


def _products(function: Callable[..., Tensor], *names: str) -> tuple[int, int]:
    """Return how many products a graph has before and after; its numbers stay the same."""
    rng = torch.Generator().manual_seed(0)
    inputs = [torch.randn(SIZES[name], generator=rng) for name in names]
    traced = make_fx(function, decomposition_table=select_decomp_table())(*inputs)
    traced.graph.eliminate_dead_code()
    before = _count(traced)
    drop_dead_convolutions(traced.graph)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    assert torch.equal(traced(*inputs), function(*inputs))
    return before, _count(traced)


def _count(traced: GraphModule) -> int:
    targets = [(node.target, node.args) for node in traced.graph.nodes]
    forward = sum(target is torch.ops.aten.convolution.default for target, _ in targets)
    back = torch.ops.aten.convolution_backward.default
    return forward + sum(sum(args[-1]) for target, args in targets if target is back)
