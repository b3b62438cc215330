"""An experiment: the sum of two convolutions as one, of twice the channels or images.

A backward step has six such sums, which come from the product rule. One convolution needs fewer kernels than
two and a sum, and fills more of a GPU. On one thread of an EPYC a step at S is 1.07 times as fast (9 rounds),
one at M is not faster.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.fx import Graph, Node

from suite.core.execution import compiling
from suite.core.execution.fx_passes import drop_dead_convolutions

_CONVOLUTION = torch.ops.aten.convolution.default
_BACKWARD = torch.ops.aten.convolution_backward.default
Merge = Callable[[Graph, Node, Node], Node]


@contextmanager
def merging() -> Iterator[None]:
    """Merge sums of convolutions in what is compiled inside."""

    def both(graph: Graph) -> None:
        drop_dead_convolutions(graph)
        graph.eliminate_dead_code()
        merge_sums(graph)

    with patch.object(compiling, "drop_dead_convolutions", both):
        yield


def merge_sums(graph: Graph) -> None:
    """Replace each sum of two convolutions, or of two of their derivatives, that nothing else uses."""
    for node in list(graph.nodes):
        if node.target is not torch.ops.aten.add.Tensor or len(node.args) != 2 or node.kwargs:
            continue
        one, other = node.args
        if not (isinstance(one, Node) and isinstance(other, Node) and one is not other):
            continue
        if merge := _merge(one, other):
            with graph.inserting_before(node):
                merged = merge(graph, one, other)
            merged.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(merged)
            graph.erase_node(node)


def _merge(one: Node, other: Node) -> Merge | None:
    if len(one.users) != 1 or len(other.users) != 1:
        return None
    if one.target is other.target is _CONVOLUTION and one.args[2] is other.args[2] is None:
        return _convolutions if _alike(one, other, 2) else None
    if one.target is not operator.getitem or other.target is not operator.getitem:
        return None
    (first, place), (second, also) = one.args, other.args
    assert isinstance(first, Node) and isinstance(second, Node)
    if first.target is not _BACKWARD or second.target is not _BACKWARD or place != also:
        return None
    if not len(first.users) == len(second.users) == 1 or not _alike(first, second, 3):
        return None
    return _by_input if place == 0 else _by_weight if place == 1 else None


def _alike(one: Node, other: Node, operands: int) -> bool:
    """Return whether two convolutions have operands of the same shapes, and equal settings."""
    shapes = [[each.meta["val"].shape for each in node.args[:operands]] for node in (one, other)]  # type: ignore[union-attr]
    return shapes[0] == shapes[1] and one.args[operands:] == other.args[operands:]


def _convolutions(graph: Graph, one: Node, other: Node) -> Node:
    images, weight = _cat(graph, one, other, 0, 1), _cat(graph, one, other, 1, 1)
    return graph.call_function(_CONVOLUTION, (images, weight, *one.args[2:]))


def _by_input(graph: Graph, one: Node, other: Node) -> Node:
    one, other = one.args[0], other.args[0]  # type: ignore[assignment]
    cotangent, weight = _cat(graph, one, other, 0, 1), _cat(graph, one, other, 2, 0)
    return _derivative(graph, (cotangent, one.args[1], weight, *one.args[3:]), 0)


def _by_weight(graph: Graph, one: Node, other: Node) -> Node:
    one, other = one.args[0], other.args[0]  # type: ignore[assignment]
    cotangent, images = _cat(graph, one, other, 0, 0), _cat(graph, one, other, 1, 0)
    return _derivative(graph, (cotangent, images, *one.args[2:]), 1)


def _derivative(graph: Graph, arguments: tuple[Any, ...], place: int) -> Node:
    return graph.call_function(operator.getitem, (graph.call_function(_BACKWARD, arguments), place))


def _cat(graph: Graph, one: Node, other: Node, operand: int, axis: int) -> Node:
    parts = [one.args[operand], other.args[operand]]
    node = graph.call_function(torch.ops.aten.cat.default, (parts, axis))
    value = parts[0].meta["val"]  # type: ignore[union-attr]
    size = [count * (1 + (at == axis)) for at, count in enumerate(value.shape)]
    node.meta["val"] = value.new_empty(size)
    return node
