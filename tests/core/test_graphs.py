"""What is done to traced graphs leaves their numbers and takes work from the pixels."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from suite.core.graphs import DECOMPOSITIONS, hold_broadcast


def test_a_planes_root_is_stored_before_pixels_meet_it() -> None:
    def normed(x: Tensor) -> Tensor:
        return x * x.square().mean((2, 3), keepdim=True).rsqrt()

    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    traced = make_fx(normed)(x)
    hold_broadcast(traced.graph)
    traced.recompile()
    held = [node for node in traced.graph.nodes if node.target is torch.ops.aten.as_strided.default]
    assert [node.args[0].target for node in held] == [torch.ops.aten.rsqrt.default]
    assert torch.equal(traced(x), normed(x))


@pytest.mark.parametrize(("side", "size", "spelt_out"), [(6, 2, True), (7, 2, False), (6, 3, False)])
def test_the_gradient_of_a_pooling_is_torchs(side: int, size: int, spelt_out: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, side, side, generator=draw)
    cotangent = torch.randn(2, 3, side // size, side // size, generator=draw)

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
