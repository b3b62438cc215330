"""Graph passes for faster code from inductor, with the same results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node

_CONVOLUTION = torch.ops.aten.convolution.default
_CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward.default

_PLANE = 4
"""From this many uses of an element, computing it once is faster than repeating it."""


def materialise_broadcasts(graph: Graph) -> None:
    """Store values that are computed once per plane and used at each pixel.

    Otherwise inductor repeats a norm's roots and quotients at every pixel: a batch of real images takes 1.6
    times as long. A strided view forces the values into memory at no cost.
    """
    for node in list(graph.nodes):
        if torch.Tag.pointwise not in getattr(node.target, "tags", ()):
            continue
        value = node.meta["val"]
        pixels = [user for user in node.users if _size(user) >= _PLANE * value.numel()]
        if not pixels:
            continue
        strides = torch.empty(value.shape, device="meta").stride()
        with graph.inserting_after(node):
            held = graph.call_function(torch.ops.aten.as_strided.default, (node, [*value.shape], [*strides]))
        held.meta["val"] = value
        for user in pixels:
            user.replace_input_with(node, held)


def drop_dead_convolutions(graph: Graph) -> None:
    """Remove convolutions whose result is zero or unused.

    Forward-mode differentiation convolves zeros if an operand has no tangent, such as the images. A
    convolution's backward pass computes the derivative for its input even if it is unused.
    """
    for node in list(graph.nodes):
        if node.target is _CONVOLUTION:
            *operands, bias = node.args[:3]
            if bias is None and any(map(_is_zero, operands)):
                _replace_by_zeros(graph, node)
        elif node.target is _CONVOLUTION_BACKWARD:
            _drop_derivatives(graph, node)


def _drop_derivatives(graph: Graph, node: Node) -> None:
    """Make a convolution's backward pass compute only derivatives that are used and not zero."""
    cotangent, *operands = map(_is_zero, node.args[:3])
    for user in list(node.users):
        place: Any = user.args[1]
        if cotangent or (place < 2 and operands[1 - place]):  # for the input by the weight, and conversely
            _replace_by_zeros(graph, user)
    read = {user.args[1] for user in node.users}
    node.update_arg(len(node.args) - 1, [place in read for place in range(3)])


def _replace_by_zeros(graph: Graph, node: Node) -> None:
    value = node.meta["val"]
    with graph.inserting_before(node):
        zeros = graph.call_function(
            torch.ops.aten.full.default, ([*value.shape], 0), {"dtype": value.dtype, "device": value.device}
        )
    zeros.meta["val"] = value
    node.replace_all_uses_with(zeros)
    graph.erase_node(node)


def _is_zero(node: Any) -> bool:
    """Return whether a node is a view of a single zero that is never written to."""
    while node.target in (torch.ops.aten.expand.default, torch.ops.aten.alias.default):
        node = node.args[0]
    return node.target is torch.ops.aten.full.default and node.args[:2] == ([], 0)


def replace_strided_zeros(graph: Graph) -> None:
    """Replace the operation for zeros of another layout in forward-mode differentiation.

    That operation needs a storage, which tensors do not have while inductor reads a graph; the backward step
    for colour images would not be compiled.
    """
    for node in list(graph.nodes):
        if node.target is not torch.ops.aten._new_zeros_with_same_feature_meta.default:
            continue
        value = node.meta["val"]
        with graph.inserting_after(node):
            zeros = graph.call_function(
                torch.ops.aten.new_empty_strided.default, (node.args[0], [*value.shape], [*value.stride()])
            )
        with graph.inserting_after(zeros):
            filled = graph.call_function(torch.ops.aten.zero.default, (zeros,))
        zeros.meta["val"] = filled.meta["val"] = value
        node.replace_all_uses_with(filled)
        graph.erase_node(node)


def _size(node: Node) -> int:
    value = node.meta.get("val")
    return value.numel() if isinstance(value, Tensor) else 0


def _avg_pool2(x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), *others: object) -> Tensor:
    """Average 2x2 pixels as a sum of four, so that it is fused with the computation of the pixels."""
    halves = list(kernel) == list(stride or kernel) == [2, 2] and not any(_first(others))
    if not halves or any(side % 2 for side in x.shape[2:]):
        return NotImplemented  # type: ignore[no-any-return]
    upper, lower = x[..., ::2, :], x[..., 1::2, :]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4


def _first(others: Sequence[object]) -> Sequence[int]:
    """Return the padding, if given."""
    return others[0] if others and isinstance(others[0], Sequence) else ()


def _avg_pool2_backward(
    cotangent: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    *others: object,
) -> Tensor:
    """Spread each cotangent over its 2x2 pixels; inductor's own decomposition tests borders."""
    halves = list(kernel) == list(stride or kernel) == [2, 2] and not any(padding)
    if not halves or any(side % 2 for side in x.shape[2:]):
        return NotImplemented  # type: ignore[no-any-return]
    count, channels, height, width = cotangent.shape
    quarter = (cotangent / 4)[:, :, :, None, :, None]
    return quarter.expand(count, channels, height, 2, width, 2).reshape(x.shape)


DECOMPOSITIONS: Mapping[Any, Callable[..., Tensor]] = {
    torch.ops.aten.avg_pool2d.default: _avg_pool2,
    torch.ops.aten.avg_pool2d_backward.default: _avg_pool2_backward,
}
"""Decompositions for tracing, in addition to inductor's own."""
